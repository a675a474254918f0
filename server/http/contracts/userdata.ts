/** Contracts of /userdata, /settings and /users. */
import { z } from 'zod'
import { bytes, json, nothing, refused, type Contract } from './contract.ts'

const facts = z.object({ path: z.string(), size: z.int(), modified: z.number(), created: z.number() })
const flag = z.enum(['true', 'false']).optional()
const file = z.object({ file: z.string().describe('One part of the path: slashes come as %2F.') })
const writing = z.object({ overwrite: flag.describe('true when not given.'), full_info: flag })
const OLD = 'notes%2Fold.json'
const NOTES = 'notes%2Fexample.json'
const outside = refused('A name that is not allowed.')
const missing = refused('No such file.')
const entry = z.object({
  name: z.string(),
  path: z.string(),
  type: z.enum(['file', 'directory']),
  size: z.int().optional(),
  modified: z.number().optional(),
})

export const userdataContracts: readonly Contract[] = [
  {
    method: 'post',
    path: '/userdata/:file',
    tag: 'User files',
    summary: 'Store a file',
    params: file,
    query: writing,
    body: { schema: z.unknown(), type: 'application/octet-stream', required: true },
    replies: {
      200: json('Its path, or its facts.', z.union([z.string(), facts])),
      403: outside,
      409: refused('It exists.'),
    },
    examples: [
      { params: { file: NOTES }, body: '{"a": 1}' },
      { params: { file: OLD }, body: '{}' },
      { params: { file: NOTES }, query: { full_info: true }, body: '{"a": 2}' },
      { params: { file: NOTES }, query: { overwrite: false }, body: '{}', status: 409 },
    ],
  },
  {
    method: 'get',
    path: '/userdata',
    tag: 'User files',
    summary: 'List the files of a folder',
    query: z.object({ dir: z.string().min(1), recurse: flag, full_info: flag, split: flag }),
    replies: {
      200: json(
        'Paths relative to it; with `split` their parts, with `full_info` size and times in seconds.',
        z.array(z.union([z.string(), z.array(z.string()), facts])),
      ),
      400: refused('No folder is given.'),
      403: outside,
      404: refused('No such folder.'),
    },
    examples: [
      { query: { dir: 'notes', recurse: true, full_info: true } },
      { query: { dir: 'notes', split: true } },
      { query: { dir: 'nowhere' }, status: 404 },
      { query: { dir: '../..' }, status: 403 },
    ],
  },
  {
    method: 'get',
    path: '/v2/userdata',
    tag: 'User files',
    summary: 'Everything below a folder, folders first',
    query: z.object({ path: z.string().optional().describe('All of it when not given.') }),
    replies: {
      200: json('Files and folders.', z.array(entry)),
      400: refused('Not a folder, or outside.'),
      404: refused('No such folder.'),
    },
    examples: [{}, { query: { path: 'notes' } }, { query: { path: 'nowhere' }, status: 404 }],
  },
  {
    method: 'get',
    path: '/userdata/:file',
    tag: 'User files',
    summary: 'Read a file; those that editors open at every start read as empty when they are not there',
    params: file,
    replies: { 200: bytes('The file, as an attachment; user.css as styles.', '*/*'), 403: outside, 404: missing },
    examples: [
      { params: { file: NOTES } },
      { params: { file: 'comfy.templates.json' } },
      { params: { file: 'nothing.json' }, status: 404 },
    ],
  },
  {
    method: 'get',
    path: '/user.css',
    tag: 'User files',
    summary: "The user's own styles, where older editors look for them",
    replies: { 200: bytes('The styles.', 'text/css') },
    examples: [{}],
  },
  {
    method: 'post',
    path: '/userdata/:file/move/:dest',
    tag: 'User files',
    summary: 'Rename a file',
    params: file.extend({ dest: z.string() }),
    query: writing,
    replies: {
      200: json('Its path, or its facts.', z.union([z.string(), facts])),
      403: outside,
      404: missing,
      409: refused('The new name is taken.'),
    },
    examples: [{ params: { file: OLD, dest: 'notes%2Fmoved.json' } }],
  },
  {
    method: 'delete',
    path: '/userdata/:file',
    tag: 'User files',
    summary: 'Remove a file',
    params: file,
    replies: { 204: { description: 'It is gone.' }, 403: outside, 404: missing },
    examples: [
      { params: { file: NOTES }, status: 204 },
      { params: { file: NOTES }, status: 404 },
    ],
  },
  {
    method: 'get',
    path: '/users',
    tag: 'User files',
    summary: 'Who uses this server: one user, whose files are kept here',
    replies: { 200: json('The kind of storage.', z.object({ storage: z.literal('server'), migrated: z.boolean() })) },
    examples: [{}],
  },
  {
    method: 'post',
    path: '/settings',
    tag: 'User files',
    summary: 'Change settings',
    body: { schema: z.record(z.string(), z.unknown()), required: true },
    replies: { 200: nothing, 400: refused('The body is no JSON object.') },
    examples: [{ body: { 'Example.Width': 320 } }],
  },
  {
    method: 'get',
    path: '/settings',
    tag: 'User files',
    summary: 'All settings',
    replies: { 200: json('Values by name.', z.record(z.string(), z.unknown())) },
    examples: [{}],
  },
  {
    method: 'get',
    path: '/settings/:id',
    tag: 'User files',
    summary: 'One setting',
    params: z.object({ id: z.string() }),
    replies: { 200: json('Its value; null when it was never set.', z.unknown()) },
    examples: [{ params: { id: 'Example.Width' } }, { params: { id: 'Never.Set' } }],
  },
  {
    method: 'post',
    path: '/settings/:id',
    tag: 'User files',
    summary: 'Change one setting',
    params: z.object({ id: z.string() }),
    body: { schema: z.unknown().describe('Its value, of any kind.') },
    replies: { 200: nothing, 400: refused('The body is no JSON.') },
    examples: [{ params: { id: 'Example.Width' }, body: 640 }],
  },
]
