#!/usr/bin/env -S node --initial-old-space-size=256
/** Starts the command line: registers tsx so that Node runs the TypeScript sources as they are. */
import { register } from 'tsx/esm/api'

register()
await import('../server/cli.ts')
