/** Reads server-sent events off the body of an answer. */

export interface StreamedEvent {
  readonly event: string
  readonly data: string
}

function parse(block: string): StreamedEvent | null {
  const field = (name: string): string | null => {
    const lines = block.split('\n').filter((line) => line.startsWith(`${name}: `))
    return lines.length === 0 ? null : lines.map((line) => line.slice(name.length + 2)).join('\n')
  }
  const data = field('data')
  return data === null ? null : { event: field('event') ?? 'message', data }
}

/** Events as they come, until the stream ends. */
export async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamedEvent> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      text += decoder.decode(value, { stream: true })
      const blocks = text.split('\n\n')
      text = blocks.pop() ?? ''
      for (const block of blocks) {
        const event = parse(block)
        if (event) yield event
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}
