/** Contracts of /view and the uploads. */
import { z } from 'zod'
import { bytes, json, refused, type Contract } from './contract.ts'

const type = z.enum(['input', 'output', 'temp'])
const stored = z.object({ name: z.string(), subfolder: z.string(), type })
const upload = z.object({
  image: z.string().meta({ format: 'binary' }),
  type: type.optional().describe('Folder; input when not given.'),
  subfolder: z.string().optional(),
  overwrite: z.enum(['true', '1', 'false', '0']).optional(),
})
const replies = {
  200: json('Where it is now; a name that is taken gets a number.', stored),
  400: refused('No picture, or a name that leads out of the folder.'),
  413: refused('Too large.'),
}

export const fileContracts: readonly Contract[] = [
  {
    method: 'get',
    path: '/view',
    tag: 'Files',
    summary: 'The bytes of a picture or other file',
    query: z.object({
      filename: z.string().describe('May end in ` [input]`, ` [output]` or ` [temp]`.'),
      type: type.optional().describe('Folder; output when not given.'),
      subfolder: z.string().optional(),
      preview: z.string().optional().describe('`webp` or `jpeg`, and a quality as in `webp;80`: a smaller picture.'),
      channel: z.enum(['rgb', 'a', 'rgba']).optional(),
    }),
    replies: {
      200: bytes('The file. What a browser could run comes as an attachment.', '*/*'),
      400: { description: 'A name or folder that is not allowed.' },
      404: { description: 'No such file.' },
      415: bytes('Not a picture.', 'text/plain'),
    },
    examples: [
      { query: { filename: 'example.png', type: 'input' } },
      { query: { filename: 'example.png', type: 'input', preview: 'webp;50' } },
      { query: { filename: 'no-such-file.png' }, status: 404 },
      { query: { filename: '../heddle.db' }, status: 400 },
    ],
  },
  {
    method: 'post',
    path: '/upload/image',
    tag: 'Files',
    summary: 'Put a picture into the input folder',
    body: { schema: upload, type: 'multipart/form-data', required: true },
    replies,
    examples: [{ body: { image: '@picture.png', subfolder: 'uploads' } }, { body: {}, status: 400 }],
  },
  {
    method: 'post',
    path: '/upload/mask',
    tag: 'Files',
    summary: 'Give a picture the transparency of another',
    body: {
      schema: upload.extend({ original_ref: z.string().describe('JSON: `{"filename": "a.png", "type": "input"}`') }),
      type: 'multipart/form-data',
      required: true,
    },
    replies: { ...replies, 404: refused('The original does not exist.') },
    examples: [{ body: { image: '@masked.png', original_ref: '{"filename":"example.png","type":"input"}' } }],
  },
]
