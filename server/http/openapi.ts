/** GET /openapi.json and /docs: the description of all routes, made of the contracts that their handlers check with. */
import { join } from 'node:path'
import { OpenAPIRegistry, OpenApiGeneratorV31, type RouteConfig } from '@asteasolutions/zod-to-openapi'
import type { Router } from 'express'
import { z } from 'zod'
import packageJson from '../../package.json' with { type: 'json' }
import { sendJsonText } from './body.ts'
import type { Contract, Example, Reply } from './contracts/contract.ts'
import { bytes, json } from './contracts/contract.ts'

const INTRODUCTION = [
  'Every route is served bare and again under `/api`; the paths here are those under `/api`.',
  'Routes outside `/heddle/` answer as ComfyUI does, so its clients work unchanged.',
  'A server with a token wants `Authorization: Bearer TOKEN` on every request.',
  'Events come over the WebSocket at `/ws`, or for one job from `/heddle/jobs/{id}/events`.',
].join(' ')

const exampleOf = (examples: readonly Example[], part: 'params' | 'query', name: string): unknown =>
  examples.map((example) => example[part]?.[name]).find((value) => value !== undefined)

/** The same object with an example at each of its parameters. */
function withExamples(schema: z.ZodObject, contract: Contract, part: 'params' | 'query'): z.ZodObject {
  const shape = Object.entries(schema.shape).map(([name, value]) => {
    const example = exampleOf(contract.examples, part, name)
    return [name, example === undefined ? value : (value as z.ZodType).meta({ example })] as const
  })
  return z.object(Object.fromEntries(shape))
}

function responseOf({ description, schema, type }: Reply) {
  return schema ? { description, content: { [type ?? 'application/json']: { schema } } } : { description }
}

function bodyOf({ body, examples }: Contract) {
  if (!body) return undefined
  const given = examples.filter((example) => example.body !== undefined)
  const named = Object.fromEntries(
    given.map((example, index) => [`example-${index + 1}`, { summary: example.summary ?? '', value: example.body }]),
  )
  const content = { [body.type ?? 'application/json']: { schema: body.schema, examples: named } }
  return { required: body.required ?? false, content }
}

function operationOf(contract: Contract): RouteConfig {
  const { method, path, tag, summary, description, params, query, replies, examples } = contract
  const body = bodyOf(contract)
  return {
    method,
    path: path.replace(/:(\w+)/g, '{$1}'),
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    request: {
      ...(params ? { params: withExamples(params, contract, 'params') } : {}),
      ...(query ? { query: withExamples(query, contract, 'query') } : {}),
      ...(body ? { body } : {}),
    },
    responses: Object.fromEntries(Object.entries(replies).map(([status, reply]) => [status, responseOf(reply)])),
    'x-examples': examples.map((example) => ({ status: 200, ...example })),
  }
}

/** The OpenAPI 3.1 document of these routes. */
function openApiOf(contracts: readonly Contract[]): object {
  const registry = new OpenAPIRegistry()
  for (const contract of contracts) registry.registerPath(operationOf(contract))
  registry.registerComponent('securitySchemes', 'token', { type: 'http', scheme: 'bearer' })
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: { title: 'Heddle', version: packageJson.version, description: INTRODUCTION },
    servers: [{ url: '/api' }],
    security: [{}, { token: [] }],
  })
}

export const documentContracts: readonly Contract[] = [
  {
    method: 'get',
    path: '/openapi.json',
    tag: 'About',
    summary: 'This document',
    replies: { 200: json('OpenAPI 3.1.', z.looseObject({ openapi: z.literal('3.1.0'), paths: z.looseObject({}) })) },
    examples: [{}],
  },
  {
    method: 'get',
    path: '/docs',
    tag: 'About',
    summary: 'This document as a page',
    replies: { 200: bytes('The page.', 'text/html') },
    examples: [{}],
  },
  {
    method: 'get',
    path: '/docs/:file',
    tag: 'About',
    summary: 'What the page loads',
    params: z.object({ file: z.string() }),
    replies: { 200: bytes('Its script or its style.', '*/*'), 404: { description: 'No such file.' } },
    examples: [{ params: { file: 'page.js' } }, { params: { file: 'nothing.js' }, status: 404 }],
  },
]

const PAGE = join(import.meta.dirname, 'docs')
const FILES = ['page.js', 'page.css']

export function documentRoutes(router: Router, contracts: readonly Contract[]): void {
  let text: string | null = null
  router.get('/openapi.json', (_request, response) => {
    text ??= JSON.stringify(openApiOf(contracts))
    sendJsonText(response, text)
  })
  router.get('/docs', (_request, response) => response.sendFile(join(PAGE, 'index.html')))
  router.get('/docs/:file', (request, response) => {
    const { file } = request.params
    if (FILES.includes(file)) response.sendFile(join(PAGE, file))
    else response.status(404).end()
  })
}
