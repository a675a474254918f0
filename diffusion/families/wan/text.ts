/** What WAN reads a prompt with. */
import type { TextEncoders } from '../contract.ts'
import type { Releasable } from '../family.ts'

export function openWanText(folder: string): Promise<TextEncoders & Releasable> {
  throw new Error(folder)
}
