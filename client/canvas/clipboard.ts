/** Copied nodes as text: on the system's clipboard where the page may use it, and remembered here where it may not. */

export class NodeClipboard {
  private copied = ''

  /** Absent on pages that are served without TLS from another machine. */
  private get system(): Clipboard | undefined {
    return (navigator as { clipboard?: Clipboard }).clipboard
  }

  write(text: string | null): void {
    if (text === null) return
    this.copied = text
    // A refusal of the browser is no fault: the text is kept here.
    this.system?.writeText(text).catch(() => undefined)
  }

  async read(): Promise<string> {
    try {
      return (await this.system?.readText()) ?? this.copied
    } catch {
      return this.copied
    }
  }
}
