/**
 * What a transformer holds in memory at least while a block runs, for each token: lower bounds, since what comes of them is a refusal. In
 * bytes, of float32 values.
 */
import type { WeightMode } from '../../onnx/session.ts'

const FLOAT = 4
/**
 * In an attention of several heads: the residual, queries, keys and values, their copies by heads that ONNX Runtime's MultiHeadAttention
 * makes, and what it gives. Its scores are never whole in memory.
 */
const ATTENTION = 8
/**
 * ONNX Runtime's arena, which sessions with weights of their own have, rounds sizes up and keeps what is freed in pieces: 28 times the width
 * on heddle-flux-mini (1000 to 6400 tokens), 21 to 43 times on small models of eight other families, of which 16 times are counted.
 */
const ARENA = 2
/** In a convolution: the residual, what goes in and what comes out. */
const RESNET = 3

export const heldByAttention = (width: number, mode: WeightMode): number =>
  FLOAT * ATTENTION * (mode === 'private' ? ARENA : 1) * width

export const heldByResnet = (width: number): number => FLOAT * RESNET * width
