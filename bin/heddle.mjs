#!/usr/bin/env -S node --initial-old-space-size=256
/** Starts the command line: registers tsx so that Node runs the TypeScript sources as they are. */
import { register } from 'tsx/esm/api'

// The picture library then refuses formats whose readers are not hardened, or that open other files: SVG, PDF and their like.
process.env.VIPS_BLOCK_UNTRUSTED = '1'
register()
await import('../server/cli.ts')
