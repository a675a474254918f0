/** How a caching node comes under the conformance suite: one file in subjects/, named like the node's, says which settings to try. */
import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isMethod } from '../../../bench/nodes.ts'
import type { CacheConfiguration } from '../../../diffusion/caching/contract.ts'
import type { DiffusionModel } from '../../../diffusion/families/contract.ts'
import { loadRegistry, type RegisteredNode } from '../../../server/engine/registry.ts'
import type { Subject } from '../../diffusion/caching/conformance.ts'
import { fakeModel, fakeTransformer, type FakeOptions } from '../../fixtures/fake-model.ts'
import { context } from '../context.ts'

/** Inputs of a node that differ from their defaults; links are given as the values they carry. */
export type Settings = Readonly<Record<string, unknown>>

/** Which settings of one node the rules are tried with, on eight blocks and 16 steps. */
export interface Declaration {
  /** Told apart from others of the same node, e.g. 'history 4'. */
  readonly variant?: string
  /** Settings that forbid any reuse, each for its own reason ('threshold 0', 'disabled', ...); put on top of `eager`. */
  readonly forbidding: Readonly<Record<string, Settings>>
  /** Settings that reuse something at a good part of 16 steps, from the second quarter of a run on, and never the last. */
  readonly eager: Settings
  /** The window inside which reuse is allowed; `{ start, end }` unless the node says it in another way. */
  readonly window?: (start: number, end: number) => Settings
  /** Settings that a model without cuts cannot serve; null when the method runs on any model. */
  readonly demanding: Settings | null
  /** The fake model to try it on, where it is not that of eight blocks with everything to offer. */
  readonly model?: FakeOptions
  /** True for methods whose branches share a decision by design. */
  readonly coupled?: boolean
}

/** A name without dashes and capitals: a node's file is named like its type. */
export const bare = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '')

/** The caching methods of the program: nodes that give a CACHE, or a MODEL that carries one. Throws when a node file is left out. */
export async function cachingNodes(): Promise<readonly RegisteredNode[]> {
  const { nodes, problems } = await loadRegistry()
  if (problems.length > 0) throw new Error(problems.join('\n'))
  return [...nodes.values()].filter(isMethod)
}

/** All inputs of a node: `settings`, and its defaults for the rest. Throws for an input that it lacks or that refuses its value. */
export function inputsOf(node: RegisteredNode, settings: Settings): Readonly<Record<string, unknown>> {
  const strangers = Object.keys(settings).filter((name) => !node.spec(name))
  if (strangers.length > 0) throw new Error(`${node.definition.type} has no input ${strangers.join(', ')}`)
  const values = node.inputs.map(([name, spec]) => {
    if (spec.linkOnly) return [name, settings[name]] as const
    const options = spec.options(() => [])
    const parsed = spec.parse(settings[name] ?? options['default'], () => [])
    if (!parsed.ok) throw new Error(`${node.definition.type}.${name}: ${parsed.fault.message} ${parsed.fault.details}`)
    return [name, parsed.value] as const
  })
  return Object.fromEntries(values)
}

/** What the node's CACHE link, or its MODEL, carries under these settings. */
export async function configured(node: RegisteredNode, settings: Settings): Promise<CacheConfiguration> {
  const model = node.spec('model')?.linkOnly ? { model: fakeModel(fakeTransformer()) } : {}
  const produced: unknown = await node.definition.run(inputsOf(node, { ...model, ...settings }), context(tmpdir()))
  const { CACHE, MODEL } = produced as { readonly CACHE?: CacheConfiguration; readonly MODEL?: DiffusionModel }
  const cache = CACHE ?? MODEL?.cache
  if (!cache) throw new Error(`${node.definition.type} gave no caching method`)
  return cache
}

const SUBJECTS = join(import.meta.dirname, 'subjects')

/** The declarations of a node, from subjects/. Throws, saying what to write, when there is no such file. */
export async function declarationsOf({ definition: { type } }: RegisteredNode): Promise<readonly Declaration[]> {
  const file = readdirSync(SUBJECTS).find((name) => bare(name.replace(/\.ts$/, '')) === bare(type))
  if (file === undefined)
    throw new Error(
      `${type} is not under the conformance suite: write test/nodes/caching/subjects/<its file>.ts with a default export ` +
        `of type Declaration (test/nodes/caching/subject.ts), as subjects/dicache.ts does`,
    )
  const module = (await import(join(SUBJECTS, file))) as { readonly default: Declaration | readonly Declaration[] }
  return [module.default].flat()
}

/** A declaration with its settings bound to the node. */
export async function subjectOf(node: RegisteredNode, declaration: Declaration): Promise<Subject> {
  const { eager, forbidding, demanding, variant, window = (start, end) => ({ start, end }) } = declaration
  const at = (settings: Settings) => configured(node, { ...eager, ...settings })
  const off = await Promise.all(Object.entries(forbidding).map(async ([why, one]) => [why, await at(one)] as const))
  return {
    name: variant === undefined ? node.definition.type : `${node.definition.type} (${variant})`,
    forbidding: Object.fromEntries(off),
    eager: await at({}),
    inWindow: (start, end) => at(window(start, end)),
    demanding: demanding && (await at(demanding)),
    coupled: declaration.coupled ?? false,
    ...(declaration.model ? { model: declaration.model } : {}),
  }
}
