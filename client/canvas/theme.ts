/** Colours and measures of the canvas; the panels take theirs from the custom properties in style.css. */

export const THEME = {
  background: '#14161a',
  grid: '#1d2026',
  node: '#23272f',
  nodeTitle: '#2c313b',
  title: '#e6e3dc',
  label: '#a9afbb',
  text: '#e3e1db',
  dim: '#737b8a',
  field: '#191c22',
  fieldBorder: '#363d49',
  selection: '#d9b779',
  accent: '#e2a14a',
  running: '#5fa99d',
  error: '#e06c66',
  warning: '#d8b04f',
  link: '#7d8696',
} as const

/** Colours of well-known types; every other type gets one of the spare ones, by its name. */
export const TYPE_COLORS: Readonly<Record<string, string>> = {
  MODEL: '#a791d6',
  CLIP: '#d9c173',
  VAE: '#d6857c',
  CONDITIONING: '#dd9d5b',
  LATENT: '#cd8ab8',
  IMAGE: '#6ba4d3',
  MASK: '#84b48a',
  CACHE: '#5fa99d',
  CACHE_REPORT: '#7fc0a0',
  INT: '#8fa3ad',
  FLOAT: '#8fa3ad',
  STRING: '#a3a98d',
  BOOLEAN: '#a58f9d',
  COMBO: '#8d93a8',
}
const SPARE = ['#9aa7c7', '#c3a27e', '#8ebba9', '#c08f97', '#b3b07c', '#93aebf', '#ae9cc4']

/** A stable colour for a type. */
export function typeColor(type: string): string {
  if (Object.hasOwn(TYPE_COLORS, type)) return TYPE_COLORS[type]!
  let hash = 0
  for (const letter of type) hash = (hash * 31 + letter.charCodeAt(0)) >>> 0
  return SPARE[hash % SPARE.length]!
}

const FAMILY = 'system-ui, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif'
export const FONT = {
  title: `600 13px ${FAMILY}`,
  label: `12px ${FAMILY}`,
  small: `11px ${FAMILY}`,
} as const

/** Measures in graph units. */
export const MEASURE = {
  titleHeight: 30,
  slotHeight: 20,
  rowHeight: 24,
  rowGap: 4,
  /** Distance of fields from the node's edges: room for the socket dot at the left. */
  left: 20,
  right: 12,
  textHeight: 76,
  minWidth: 150,
  fieldsWidth: 250,
  threadHeight: 26,
  mediaHeight: 180,
} as const
