/** The HTTP server under express, whose requests and responses have express's prototypes from the start. */
import { createServer, IncomingMessage, ServerResponse, type Server } from 'node:http'
import type { Express } from 'express'

/**
 * Express gives every request and response its own prototype. V8 compiles nothing well for an object that had another one before: all
 * of Node's own code for it then takes three times as long. Made with that prototype, they are left as they are.
 */
export function serverFor(app: Express): Server {
  class Request extends IncomingMessage {}
  class Answer extends ServerResponse<Request> {}
  Object.setPrototypeOf(Request.prototype, app.request)
  Object.setPrototypeOf(Answer.prototype, app.response)
  Object.assign(app, { request: Request.prototype, response: Answer.prototype })
  return createServer({ IncomingMessage: Request, ServerResponse: Answer })
}
