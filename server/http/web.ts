/** What surrounds the routes: guard, security headers, the token's cookie, the built client, and answers to errors. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import express, { type ErrorRequestHandler, type RequestHandler } from 'express'
import helmet from 'helmet'
import { refusal, TOKEN_COOKIE, type GuardOptions } from '../guard/guard.ts'
import { WorkflowError } from '../../formats/workflow/read.ts'
import { EngineDiedError } from '../engine/death.ts'
import { HttpError } from './body.ts'

/** What no page of this server may do. */
const ALWAYS = { objectSrc: ["'none'"], baseUri: ["'none'"], frameAncestors: ["'none'"], formAction: ["'self'"] }
/** Scripts of this server only; litegraph.js needs data: pictures and inline styles. */
const OWN_EDITOR = {
  ...ALWAYS,
  defaultSrc: ["'self'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'", "'unsafe-inline'"],
  imgSrc: ["'self'", 'data:', 'blob:'],
  connectSrc: ["'self'"],
}

const safeHeaders = (otherFrontEnd: boolean) =>
  helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      // Another front end brings scripts, fonts and workers that its user has chosen to trust.
      directives: otherFrontEnd
        ? { ...ALWAYS, defaultSrc: helmet.contentSecurityPolicy.dangerouslyDisableDefaultSrc }
        : OWN_EDITOR,
    },
    // The server speaks plain HTTP; whoever puts TLS in front adds it there.
    strictTransportSecurity: false,
    crossOriginEmbedderPolicy: false,
  })

/** Headers of every answer. They are the same for all, so they are worked out once: for each they would take longer than its route. */
export function headers(otherFrontEnd: boolean): RequestHandler {
  const request = new IncomingMessage(new Socket())
  const first = new ServerResponse(request)
  safeHeaders(otherFrontEnd)(request, first, (error) => {
    if (error !== undefined) throw new Error('the security headers cannot be made', { cause: error })
  })
  const fixed = new Map(first.getHeaderNames().map((name) => [name, String(first.getHeader(name))]))
  return (_request, response, next) => {
    response.setHeaders(fixed)
    next()
  }
}

/** Splits the query off an undecoded URL. */
const parts = (url: string): { path: string; query: URLSearchParams } => {
  const at = url.indexOf('?')
  return at < 0
    ? { path: url, query: new URLSearchParams() }
    : { path: url.slice(0, at), query: new URLSearchParams(url.slice(at + 1)) }
}

export const guard =
  (options: GuardOptions): RequestHandler =>
  (request, response, next) => {
    const asked = { method: request.method, headers: request.headers, ...parts(request.url) }
    const refused = refusal(asked, options)
    if (refused) return void response.status(refused.status).type('text/plain').send(`${refused.reason}\n`)
    const token = asked.query.get('token')
    if (asked.path !== '/' || token === null || options.token === null) {
      next()
      return
    }
    // The page's own requests carry the token as a cookie from here on, and the address bar forgets it.
    response.cookie(TOKEN_COOKIE, token, { httpOnly: true, sameSite: 'strict', path: '/' })
    response.redirect(303, '/')
  }

/** The built editor. Unknown paths are 404: clients take an answer of 200 for the file they asked for. */
export function client(dist: string): RequestHandler {
  if (existsSync(join(dist, 'index.html')))
    return express.static(dist, {
      dotfiles: 'deny',
      redirect: false,
      // Built files carry a hash in their names; the page that names them must be asked for anew.
      setHeaders(response, path) {
        if (path.endsWith('.html')) response.setHeader('Cache-Control', 'no-cache')
      },
    })
  return (request, response, next) => {
    if (request.path !== '/') {
      next()
      return
    }
    response.type('text/plain').send('The editor is not built: run `npm run build`, then open this page again.\n')
  }
}

const statusOf = (error: unknown): number => {
  if (error instanceof HttpError) return error.status
  if (error instanceof WorkflowError) return 400
  if (error instanceof EngineDiedError) return 503
  // Errors of express's own body readers carry their status.
  const { status } = error as { status?: unknown }
  return typeof status === 'number' && status >= 400 && status < 500 ? status : 500
}

/** Errors as `{error: {type, message, details, extra_info}, node_errors}`: what every client can read. */
export const answerErrors =
  (onNotice: (message: string) => void): ErrorRequestHandler =>
  (error: unknown, request, response, next) => {
    if (response.headersSent) {
      next(error)
      return
    }
    const status = statusOf(error)
    const message = error instanceof Error ? error.message : String(error)
    if (status >= 500) onNotice(`${request.method} ${request.path}: ${message}`)
    const shown = status === 500 ? 'The server failed; its log says why.' : message
    const type = status === 503 ? 'engine_unavailable' : status === 500 ? 'server_error' : 'bad_request'
    response.status(status).json({ error: { type, message: shown, details: '', extra_info: {} }, node_errors: {} })
  }
