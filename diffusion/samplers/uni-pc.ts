/** UniPC of third order, B1 variant, as ComfyUI has it. One evaluation a step. */
import { explodingSnr } from './shared/snr.ts'
import { unipc } from './shared/unipc.ts'

/** ComfyUI reads the levels of every model as those of a variance-preserving one. (It stops at 0.001 where this one goes to 0.) */
export default unipc({ name: 'uni_pc', order: 3, variant: 'bh1', snr: () => explodingSnr, skipsPenultimate: true })
