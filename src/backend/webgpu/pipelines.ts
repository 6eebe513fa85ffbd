// Compute pipelines from kernels/webgpu/*.wgsl, compiled once per set of constants and kept.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const SOURCES = fileURLToPath(new URL('../../../../kernels/webgpu/', import.meta.url));

/** Constants put in front of a source. */
export type Constants = Readonly<Record<string, number | boolean>>;

/** Sources that a source uses. */
const INCLUDES: Readonly<Record<string, readonly string[]>> = {
  cross_entropy: ['reduce', 'tanh'],
  norm: ['reduce'],
  optimizer: ['reduce'],
  residual_grad: ['reduce'],
  rotary: ['reduce'],
  unary: ['tanh'],
  value_embedding: ['reduce'],
};

const texts = new Map<string, string>();

function textOf(name: string): string {
  let text = texts.get(name);
  if (text === undefined) {
    text = readFileSync(`${SOURCES}${name}.wgsl`, 'utf8');
    texts.set(name, text);
  }
  return text;
}

const declaration = ([name, value]: [string, number | boolean]): string =>
  typeof value === 'boolean' ? `const ${name}: bool = ${value};` : `const ${name}: u32 = ${value}u;`;

/** One pipeline and the layout of its bindings. */
export type Pipeline = { pipeline: GPUComputePipeline; layout: GPUBindGroupLayout };

export class Pipelines {
  readonly #device: GPUDevice;
  readonly #modules = new Map<string, GPUShaderModule>();
  readonly #pipelines = new Map<string, Pipeline>();

  /** Products exchange values within quads of invocations (matmul_quads.wgsl). */
  quads = false;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Lines between `// repeat NAME` and `// end` as often as the constant says, with their number for the number sign. */
  #repeated(text: string, constants: Constants): string {
    return text.replaceAll(/^\/\/ repeat (\w+)\n(.*?)^\/\/ end\n/gms, (_, name: string, lines: string) =>
      Array.from({ length: Number(constants[name]) }, (_, i) => lines.replaceAll('#', `${i}`)).join(''),
    );
  }

  #code(source: string, constants: Constants): string {
    const product = source === 'matmul';
    const includes = product ? [this.quads ? 'matmul_quads' : 'matmul_plain'] : (INCLUDES[source] ?? []);
    return [
      product && this.quads ? 'enable subgroups;' : '',
      ...Object.entries(constants).map(declaration),
      ...[...includes, source].map((name) => this.#repeated(textOf(name), constants)),
    ].join('\n');
  }

  /** @param source file of kernels/webgpu without its ending; @param entry function in it */
  find(source: string, entry: string, constants: Constants): Pipeline {
    const variant = `${source} ${this.quads} ${JSON.stringify(constants)}`;
    const key = `${variant} ${entry}`;
    let found = this.#pipelines.get(key);
    if (!found) {
      let module = this.#modules.get(variant);
      if (!module) {
        module = this.#device.createShaderModule({ code: this.#code(source, constants), label: source });
        this.#modules.set(variant, module);
      }
      const pipeline = this.#device.createComputePipeline({
        label: `${source}.${entry}`,
        layout: 'auto',
        compute: { module, entryPoint: entry },
      });
      found = { pipeline, layout: pipeline.getBindGroupLayout(0) };
      this.#pipelines.set(key, found);
    }
    return found;
  }
}
