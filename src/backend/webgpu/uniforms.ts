// The kernels' parameters of one submission in one buffer, written once before it is submitted.

/** GPUBufferUsage's bits, which the standard fixes. */
const UNIFORM = 0x40;
export const COPY_DST = 0x8;
/** MAP_READ of GPUBufferUsage and READ of GPUMapMode. */
export const MAP_READ = 0x1;

const SLOT = 256; // WebGPU's alignment of uniform offsets on every device
const BUFFER_BYTES = 64 * 1024;

/** Binding of one kernel's parameters. */
export type UniformBinding = { buffer: GPUBuffer; offset: number; size: number };

type Page = { buffer: GPUBuffer; bytes: Uint8Array<ArrayBuffer>; used: number };

export class UniformArena {
  readonly #device: GPUDevice;
  /** Pages in use by what is being recorded; the last one is being filled. */
  #pages: Page[] = [];
  #free: Page[] = [];

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Keeps `bytes` for a kernel. @throws RangeError above 256 */
  write(bytes: Uint8Array): UniformBinding {
    if (bytes.length > SLOT)
      throw new RangeError(`Expected at most ${SLOT} bytes of parameters, got ${bytes.length}`);
    let page = this.#pages.at(-1);
    if (!page || page.used === BUFFER_BYTES) {
      page = this.#free.pop() ?? this.#create();
      page.used = 0;
      this.#pages.push(page);
    }
    const offset = page.used;
    page.bytes.set(bytes, offset);
    page.used += SLOT;
    return { buffer: page.buffer, offset, size: Math.ceil(bytes.length / 16) * 16 };
  }

  #create(): Page {
    const buffer = this.#device.createBuffer({
      size: BUFFER_BYTES,
      usage: UNIFORM | COPY_DST,
      label: 'uniforms',
    });
    return { buffer, bytes: new Uint8Array(BUFFER_BYTES), used: 0 };
  }

  /** Uploads what was written; to be followed by the submission, which sees it, and then by new pages. */
  upload(): void {
    for (const page of this.#pages) this.#device.queue.writeBuffer(page.buffer, 0, page.bytes, 0, page.used);
    this.#free.push(...this.#pages);
    this.#pages = [];
  }

  dispose(): void {
    for (const page of [...this.#pages, ...this.#free]) page.buffer.destroy();
    this.#pages = [];
    this.#free = [];
  }
}
