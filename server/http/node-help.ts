/** /docs/TYPE/LOCALE.md: what a node's declaration says, as the page that ComfyUI's editor shows for its help. */
import type { RequestHandler, Router } from 'express'
import type { ClassInfo } from '../engine/protocol.ts'
import { isRecord, stringifyExact } from '../json.ts'
import type { Context } from './context.ts'

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
/** Text on one line, none of it markup. */
const plain = (text: string): string => text.replaceAll('<', '&lt;').replace(/\s+/g, ' ').trim()
const code = (value: unknown): string => `\`${typeof value === 'string' ? value : stringifyExact(value)}\``

/** Default, range and choices of a widget; of a socket nothing. */
function values(type: unknown, options: Readonly<Record<string, unknown>>): string {
  const choices = Array.isArray(type) ? type : list(options['options'])
  const { default: usual, min, max } = options
  return [
    ...(usual === undefined || usual === '' ? [] : [`default ${code(usual)}`]),
    ...(min === undefined || max === undefined ? [] : [`${code(min)} to ${code(max)}`]),
    ...(choices.length > 0 ? [`one of ${choices.map(code).join(', ')}`] : []),
  ].join('; ')
}

// Lists, not tables: the editor shows help in a narrow column.
function inputLine(name: string, spec: unknown, group: string): string {
  const [type, more] = list(spec)
  const options = isRecord(more) ? more : {}
  const kind = Array.isArray(type) ? 'COMBO' : textOf(type)
  const facts = [kind, ...(group === 'optional' ? ['optional'] : []), values(type, options)].filter(
    (fact) => fact !== '',
  )
  return `- **${name}** (${facts.join('; ')}) ${plain(textOf(options['tooltip']))}`.trimEnd()
}

/** Markdown of a definition as /object_info has it. */
export function helpPage({ display_name, description, input, output, output_name }: ClassInfo): string {
  const inputs = ['required', 'optional'].flatMap((group) =>
    Object.entries(input[group] ?? {}).map(([name, spec]) => inputLine(name, spec, group)),
  )
  const outputs = output.map((type, at) => `- **${output_name[at] ?? type}** (${type})`)
  return [
    `# ${plain(display_name)}\n`,
    `${description.replaceAll('<', '&lt;')}\n`,
    ...(inputs.length > 0 ? ['## Inputs\n', ...inputs] : []),
    ...(outputs.length > 0 ? ['\n## Outputs\n', ...outputs] : []),
  ].join('\n')
}

export function nodeHelpRoutes(router: Router, context: Context): void {
  const send: RequestHandler<{ type: string }> = async (request, response, next) => {
    const all = await context.objectInfo()
    const { type } = request.params
    // Front ends bring pages of their own below the same path.
    const known = Object.hasOwn(all, type) ? all[type] : undefined
    if (known) response.type('text/markdown').send(helpPage(known))
    else next()
  }
  // In one language, whatever the editor's is; the second is where it looks for nodes of packs.
  router.get('/docs/:type/:locale.md', send)
  router.get('/extensions/:pack/docs/:type/:locale.md', send)
}
