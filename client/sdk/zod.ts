/** zod without its code generation: the page's security policy forbids `new Function`, and would report the attempt. */
import { z } from 'zod'

// Schemas look at this when they are made, so everyone takes `z` from here.
z.config({ jitless: true })

export { z }
