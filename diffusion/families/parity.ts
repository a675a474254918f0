/** What a family's parity.ts exports: how a reference case of its transformer is read, so that any family can be compared alike. */
import type { Tensor } from '../tensor.ts'
import type { Conditioning, Rows, Transformer } from './contract.ts'

/** One case: a tiny model with fixed inputs, and what the reference implementation gave. */
export interface TransformerCase {
  readonly transformer: Transformer
  /** [B, C, H, W]. */
  readonly latent: Tensor
  /** Times in training steps [B]. */
  readonly timestep: Tensor
  /** Rows [B] that tell the noise levels as the reference is told them, where that is not by the times: `sigma`, ... */
  readonly levels?: Rows
  /** Every tensor of outputs.safetensors. */
  readonly outputs: Readonly<Record<string, Tensor>>
  /**
   * Text tokens of one row of the batch that go into the blocks, where padding does not: nothing looks at it, so the reference's are not
   * compared. All of them where absent.
   */
  readonly textTokens?: (index: number) => number
  /** Conditioning of one row of the batch. */
  conditioning(index: number): Conditioning
  /** States after embed, and of what all rows share, under the reference's names. */
  embedded(state: Rows, shared: Rows): Rows
  /** States after block `index` under the reference's names. */
  afterBlock(index: number, state: Rows): Rows
  /** The head's rows as the reference's `output`. */
  output(rows: Rows): Tensor
}

/** The default export of `families/<name>/parity.ts`. */
export interface CaseReader {
  /** `_class_name` of the reference's config.json. */
  readonly className: string
  /** Reads the case in `dir` with the weights in `file`. Throws when the file is not this family's. */
  open(dir: string, file: string): Promise<TransformerCase>
}
