/** The OpenAPI document: every route is in it, every example is sent to a server, and every answer fits what it promises. */
import { Ajv2020 } from 'ajv/dist/2020.js'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Context } from '../../server/http/context.ts'
import { CONTRACTS, routes } from '../../server/http/router.ts'
import { serveFresh, type TestServer } from './harness.ts'

interface Example {
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string | number | boolean>>
  readonly body?: unknown
  readonly status: number
}
interface Operation {
  readonly summary?: string
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { schema: object }>> }>>
  readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> }
  readonly 'x-examples': readonly Example[]
}
type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>

let server: TestServer
let paths: Paths
beforeAll(async () => {
  server = await serveFresh()
  const answer = await fetch(`${server.url}/api/openapi.json`)
  paths = ((await answer.json()) as { paths: Paths }).paths
})
afterAll(() => server.end())

/** Routes of a router as `get /path`. */
function registered(): string[] {
  const parts = { folders: { input: '', output: '', temp: '', user: '' }, modelDirs: [], maxUpload: 1 }
  const { stack } = routes(parts as unknown as Context)
  return stack.flatMap(({ route }) => {
    const methods = (route as unknown as { methods?: Record<string, boolean> } | undefined)?.methods ?? {}
    return Object.keys(methods).map((method) => `${method} ${route?.path ?? ''}`)
  })
}

it('every route has a contract, and every contract a route', () => {
  const described = CONTRACTS.map(({ method, path }) => `${method} ${path}`)
  expect(registered().length).toBeGreaterThan(50)
  expect(described.toSorted()).toEqual(registered().toSorted())
  for (const { summary, examples } of CONTRACTS) expect([summary.length > 3, examples.length > 0]).toEqual([true, true])
})

async function bodyOf(type: string, body: unknown): Promise<BodyInit> {
  if (type !== 'multipart/form-data') return typeof body === 'string' ? body : JSON.stringify(body)
  const form = new FormData()
  for (const [name, value] of Object.entries(body as Record<string, string>)) {
    if (!value.startsWith('@')) form.set(name, value)
    else {
      const png = await sharp({ create: { width: 8, height: 8, channels: 4, background: '#40608080' } })
        .png()
        .toBuffer()
      form.set(name, new Blob([new Uint8Array(png)]), value.slice(1))
    }
  }
  return form
}

async function send(method: string, path: string, operation: Operation, example: Example): Promise<Response> {
  // Values of examples are written as they stand in the path.
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => example.params?.[name] ?? '')
  const query = new URLSearchParams(Object.entries(example.query ?? {}).map(([key, value]) => [key, String(value)]))
  const [type = 'application/json'] = Object.keys(operation.requestBody?.content ?? {})
  const body = example.body === undefined ? undefined : await bodyOf(type, example.body)
  const headers: Record<string, string> = type === 'multipart/form-data' ? {} : { 'Content-Type': type }
  const url = `${server.url}/api${filled}${query.size > 0 ? `?${query.toString()}` : ''}`
  return fetch(url, { method: method.toUpperCase(), headers, ...(body === undefined ? {} : { body }) })
}

describe('the document', () => {
  it('has answers that fit, for each of its examples', { timeout: 60_000 }, async () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false })
    let sent = 0
    for (const [path, operations] of Object.entries(paths))
      for (const [method, operation] of Object.entries(operations))
        for (const example of operation['x-examples']) {
          const name = `${method} ${path} ${JSON.stringify(example).slice(0, 150)}`
          const response = await send(method, path, operation, example)
          const text = await response.text()
          expect(response.status, `${name}\n${text.slice(0, 500)}`).toBe(example.status)
          const promised = operation.responses[String(response.status)]
          expect(promised, name).toBeDefined()
          const schema = promised?.content?.['application/json']?.schema
          if (schema) {
            const validate = ajv.compile(schema)
            expect(
              validate(JSON.parse(text)),
              `${name}\n${ajv.errorsText(validate.errors)}\n${text.slice(0, 500)}`,
            ).toBe(true)
          } else if (!promised?.content) expect(text, name).toBe('')
          sent++
        }
    expect(sent).toBeGreaterThan(90)
  })

  it('has schemas that tell a right answer from a wrong one', () => {
    const schema = paths['/prompt']?.['get']?.responses['200']?.content?.['application/json']?.schema
    const validate = new Ajv2020({ strict: false }).compile(schema ?? {})
    expect([validate({ exec_info: { queue_remaining: 1 } }), validate({ exec_info: {} })]).toEqual([true, false])
  })

  it('is shown by a page of this server alone, under a strict policy', async () => {
    const response = await fetch(`${server.url}/api/docs`)
    const page = await response.text()
    expect(response.headers.get('content-security-policy')).toContain("script-src 'self';")
    const sources = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '')
    expect(sources).toEqual(['docs/page.css', 'docs/page.js'])
    for (const source of sources) expect((await fetch(`${server.url}/api/${source}`)).status).toBe(200)
    expect(page).not.toMatch(/<script>|style=|https?:/)
  })
})
