/** Pictures on the canvas: finished files by address, and live previews by node. */
import type { FileReference } from '../sdk/heddle.ts'
import { server } from '../server.ts'

export interface Picture {
  readonly source: CanvasImageSource
  readonly width: number
  readonly height: number
}

/** Decoded files kept at most; the oldest go first. */
const MAX_FILES = 200

export class Pictures {
  private readonly files = new Map<string, HTMLImageElement>()
  private readonly previews = new Map<number, ImageBitmap>()
  /** Called when a picture has arrived and the canvas should be drawn again. */
  private readonly arrived: () => void
  constructor(arrived: () => void) {
    this.arrived = arrived
  }

  /** The picture of a finished file, or null while it loads. */
  result(file: FileReference): Picture | null {
    const url = server.address(file)
    let image = this.files.get(url)
    if (!image) {
      image = new Image()
      image.onload = this.arrived
      image.src = url
      this.files.set(url, image)
      if (this.files.size > MAX_FILES) this.files.delete(this.files.keys().next().value!)
    }
    if (!image.complete || image.naturalWidth === 0) return null
    return { source: image, width: image.naturalWidth, height: image.naturalHeight }
  }

  /** The live preview of a node, or null. */
  preview(node: number): Picture | null {
    const bitmap = this.previews.get(node)
    return bitmap ? { source: bitmap, width: bitmap.width, height: bitmap.height } : null
  }

  /** Shows a new preview; a picture that cannot be decoded is left out. */
  async show(node: number, picture: Blob): Promise<void> {
    let bitmap: ImageBitmap
    try {
      bitmap = await createImageBitmap(picture)
    } catch {
      return
    }
    this.previews.get(node)?.close()
    this.previews.set(node, bitmap)
    this.arrived()
  }

  clearPreviews(): void {
    for (const bitmap of this.previews.values()) bitmap.close()
    this.previews.clear()
  }
}
