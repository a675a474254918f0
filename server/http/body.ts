/** Request bodies: JSON whatever its Content-Type, with exact integers; and JSON answers. */
import type { Request, Response } from 'express'
import type { z } from 'zod'
import { isRecord, parseExact, stringifyExact } from '../json.ts'

/** An answer that is no success, thrown by handlers. */
export class HttpError extends Error {
  override readonly name = 'HttpError'
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** The body as readText read it. */
export const textOf = (request: Request): string => (typeof request.body === 'string' ? request.body : '')

/** The JSON value of a body read by readText; an empty body is `{}`. Throws HttpError 400. */
export function jsonOf(request: Request): unknown {
  const text = textOf(request)
  if (text.trim() === '') return {}
  try {
    return parseExact(text)
  } catch (error) {
    throw new HttpError(400, `The body is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** As jsonOf, for bodies that must be an object. */
export function objectOf(request: Request): Record<string, unknown> {
  const value = jsonOf(request)
  if (!isRecord(value)) throw new HttpError(400, 'The body must be a JSON object.')
  return value
}

/** Sends text that is JSON already. */
export function sendJsonText(response: Response, text: string, status = 200): void {
  // Past express: its entity tags, content types and freshness take longer than most answers do to make.
  response.statusCode = status
  response.setHeader('Content-Type', 'application/json; charset=utf-8')
  response.setHeader('Cache-Control', 'no-cache')
  response.end(text)
}

export const sendJson = (response: Response, value: unknown, status = 200): void =>
  sendJsonText(response, stringifyExact(value), status)

/** 200 with nothing, as ComfyUI answers what has no answer. */
export const sendNothing = (response: Response): void =>
  void response.status(200).type('application/octet-stream').end()

/** A query parameter's text, or null when it is absent; of several the first. */
export function queryText(request: Request, name: string): string | null {
  const value = request.query[name]
  const first: unknown = Array.isArray(value) ? value[0] : value
  return typeof first === 'string' ? first : null
}

/** A value checked by a schema; throws HttpError 400 that names every fault with its place. */
export function checked<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const faults = result.error.issues.map(({ path, message }) => `${path.join('.') || 'the value'}: ${message}`)
  throw new HttpError(400, faults.slice(0, 20).join('; '))
}

/** The body, which must be an object that fits the schema; throws HttpError 400. */
export const bodyOf = <T extends z.ZodType>(request: Request, schema: T): z.output<T> =>
  checked(schema, objectOf(request))

/** The texts in a list that may hold anything. */
export const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : []
