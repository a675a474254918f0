/** Colours and measures that the drawings of this folder share; the decisions have those of the editor's weave. */
import type { ReportRow } from '../../../diffusion/caching/report-types.ts'
import { colour, type Colour } from './canvas.ts'

export const INK = colour('#e8e6df')
export const FAINT = colour('#8a8f98')
export const BACKGROUND = colour('#1b1d22')
export const PANEL = colour('#26292f')
export const THREAD: Readonly<Record<ReportRow['decision'], Colour>> = {
  full: colour('#e2a14a'),
  resumed: colour('#5fa99d'),
  partial: colour('#a98bc4'),
  skipped: colour('#6c8fb8'),
}
/** Pixels around a picture. */
export const MARGIN = 24
