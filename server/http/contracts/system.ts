/** Contracts of what a server tells of itself: nodes, models, machine, log, shipped workflows, and what ComfyUI's editor asks for. */
import { z } from 'zod'
import { bytes, json, nothing, refused, type Contract, type Example, type Reply } from './contract.ts'

const names = z.array(z.string())
const anything = z.record(z.string(), z.unknown())
const missing = refused('No such thing.')
const get = (
  tag: string,
  path: string,
  summary: string,
  schema: z.ZodType,
  more: { params?: z.ZodObject; query?: z.ZodObject; replies?: Record<number, Reply>; examples?: Example[] } = {},
): Contract => ({
  method: 'get',
  path,
  tag,
  summary,
  ...(more.params ? { params: more.params } : {}),
  ...(more.query ? { query: more.query } : {}),
  replies: { 200: json('The answer.', schema), ...more.replies },
  examples: more.examples ?? [{}],
})
const folder = z.object({ folder: z.string() })
const inFolder = { params: folder, replies: { 404: missing }, examples: [{ params: { folder: 'vae' } }, { params: { folder: 'nothing' }, status: 404 }] } // prettier-ignore
const classInfo = z.looseObject({ input: anything, input_order: anything, output: z.array(z.unknown()), name: z.string(), output_node: z.boolean() }) // prettier-ignore
const template = z.object({ name: z.string(), title: z.string(), description: z.string(), mediaType: z.string(), mediaSubtype: z.string() }) // prettier-ignore
const templates = z.array(z.looseObject({ moduleName: z.string(), templates: z.array(template) }))
const helpOf = z.object({ type: z.string(), locale: z.string() })
const logEntry = z.object({ t: z.string(), m: z.string() })
const file = z.object({
  name: z.string(),
  pathIndex: z.int(),
  modified: z.number(),
  created: z.number(),
  size: z.number(),
})

export const subscription = z.looseObject({ clientId: z.string().min(1).max(200), enabled: z.boolean() })

export const systemContracts: readonly Contract[] = [
  get('Nodes', '/object_info', 'Definitions of all node classes', z.record(z.string(), classInfo)),
  get(
    'Nodes',
    '/object_info/:type',
    'Definition of one class; nothing when it is not known',
    z.record(z.string(), classInfo),
    {
      params: z.object({ type: z.string() }),
      examples: [{ params: { type: 'KSampler' } }, { params: { type: 'Nothing' } }],
    },
  ),
  get(
    'Nodes',
    '/heddle/node-problems',
    'Files of node packs that were left out, and why',
    z.object({ problems: z.array(z.unknown()) }),
  ),
  get(
    'About',
    '/system_stats',
    'The machine and the versions',
    z.object({ system: anything, devices: z.array(anything) }),
  ),
  get('About', '/features', 'What this server can do, as feature flags', anything),
  get('Models', '/models', 'Folders of models', names),
  get('Models', '/models/:folder', 'Model files of a folder', names, inFolder),
  get('Models', '/embeddings', 'Embeddings, without their endings', names),
  get(
    'Models',
    '/experiment/models',
    'Folders of models with their directories',
    z.array(z.object({ name: z.string(), folders: names, extensions: names })),
  ),
  get(
    'Models',
    '/experiment/models/:folder',
    'Model files with sizes in bytes and times in seconds',
    z.array(file),
    inFolder,
  ),
  {
    ...get(
      'Models',
      '/experiment/models/preview/:folder/:index/:file',
      'A picture that lies beside a model',
      z.unknown(),
      {
        params: z.object({ folder: z.string(), index: z.string(), file: z.string() }),
        examples: [{ params: { folder: 'vae', index: '0', file: 'nothing.safetensors' }, status: 404 }],
      },
    ),
    replies: { 200: bytes('The picture.', 'image/webp'), 404: missing },
  },
  get('Models', '/view_metadata/:folder', 'What the header of a model file says', z.unknown(), {
    params: folder,
    query: z.object({ filename: z.string() }),
    replies: { 404: missing },
    examples: [{ params: { folder: 'vae' }, query: { filename: 'nothing.safetensors' }, status: 404 }],
  }),
  get(
    'Workflows',
    '/heddle/workflows',
    'Workflows that are shipped',
    z.array(z.object({ name: z.string(), title: z.string() })),
  ),
  get(
    'Workflows',
    '/heddle/workflows/:name',
    'One of them, as the editor saves it',
    z.looseObject({ nodes: z.array(z.unknown()) }),
    {
      params: z.object({ name: z.string() }),
      replies: { 404: missing },
      examples: [{ params: { name: 'text-to-image' } }, { params: { name: 'nothing' }, status: 404 }],
    },
  ),
  get("ComfyUI's editor", '/extensions', 'Scripts of node packs: none', names),
  get("ComfyUI's editor", '/i18n', 'Translations of node packs: none', anything),
  get("ComfyUI's editor", '/workflow_templates', 'Templates of node packs: none', anything),
  ...['/docs/:type/:locale.md', '/extensions/:pack/docs/:type/:locale.md'].map((path): Contract => ({
    method: 'get',
    path,
    tag: "ComfyUI's editor",
    summary: path.startsWith('/docs') ? "A node's help as a page" : "The same, for a pack's node",
    params: path.startsWith('/docs') ? helpOf : helpOf.extend({ pack: z.string() }),
    replies: { 200: bytes('Markdown.', 'text/markdown') },
    examples: [{ params: { pack: 'any', type: 'KSampler', locale: 'en' } }],
  })),
  get("ComfyUI's editor", '/templates/index.json', 'The shipped workflows, as the editor lists templates', templates),
  get("ComfyUI's editor", '/templates/index.:locale.json', 'The same, for any language', templates, {
    params: z.object({ locale: z.string() }),
    examples: [{ params: { locale: 'zh-TW' } }],
  }),
  get("ComfyUI's editor", '/templates/index_logo.json', 'Logos of templates: none', anything),
  get("ComfyUI's editor", '/templates/fuse_options.json', 'How to search templates: as the editor does', z.null()),
  get("ComfyUI's editor", '/templates/:name.json', 'One of them', z.looseObject({ nodes: z.array(z.unknown()) }), {
    params: z.object({ name: z.string() }),
    examples: [{ params: { name: 'text-to-image' } }],
  }),
  {
    method: 'get',
    path: '/templates/:name-1.svg',
    tag: "ComfyUI's editor",
    summary: 'A map of one of them, as its picture',
    params: z.object({ name: z.string() }),
    replies: { 200: bytes('The drawing.', 'image/svg+xml') },
    examples: [{ params: { name: 'text-to-image' } }],
  },
  get("ComfyUI's editor", '/node_replacements', 'Renamed classes: none', anything),
  get("ComfyUI's editor", '/global_subgraphs', 'Subgraphs of node packs: none', anything),
  get("ComfyUI's editor", '/global_subgraphs/:id', 'One of them', z.null(), {
    params: z.object({ id: z.string() }),
    examples: [{ params: { id: 'nothing' } }],
  }),
  {
    method: 'post',
    path: '/users',
    tag: "ComfyUI's editor",
    summary: 'Add a user: refused, this server keeps the files of one',
    replies: { 400: refused('There is one user.') },
    examples: [{ status: 400 }],
  },
  get('Log', '/internal/logs', 'The newest lines of the log as one text', z.string()),
  get(
    'Log',
    '/internal/logs/raw',
    'The newest lines of the log',
    z.object({ entries: z.array(logEntry), size: z.object({ cols: z.int(), rows: z.int() }) }),
  ),
  {
    method: 'patch',
    path: '/internal/logs/subscribe',
    tag: 'Log',
    summary: 'Have further lines sent over a WebSocket session',
    body: { schema: subscription, required: true },
    replies: { 200: nothing, 400: refused('No id of a session.') },
    examples: [{ body: { clientId: 'no-such-session', enabled: true } }, { body: {}, status: 400 }],
  },
  get('Models', '/internal/folder_paths', 'Directories of each folder of models', z.record(z.string(), names)),
  get('Files', '/internal/files/:kind', 'Files of the input, output or temp folder, newest first', names, {
    params: z.object({ kind: z.string() }),
    replies: { 400: json('No such folder.', z.object({ error: z.string() })) },
    examples: [{ params: { kind: 'input' } }, { params: { kind: 'secret' }, status: 400 }],
  }),
]
