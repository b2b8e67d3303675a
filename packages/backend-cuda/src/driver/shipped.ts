import { readFileSync } from 'node:fs';
import type { KernelSource } from '../source.ts';
import type { KernelCompiler } from './compiler.ts';
import { unavailable } from './library.ts';

const file = new URL('../../ptx/generic.ptx', import.meta.url);

/** The generic kernels of every op, as PTX that the driver itself compiles. */
export class ShippedKernels implements KernelCompiler {
  readonly name = 'none: shipped PTX';
  readonly generic = true;
  readonly #head: string;
  readonly #entries: ReadonlyMap<string, string>;

  constructor(text: string = readFileSync(file, 'utf8')) {
    const [head, ...entries] = text.split(/^(?=\.visible \.entry )/m);
    this.#head = head!;
    this.#entries = new Map(entries.map((entry) => [/^\.visible \.entry (\w+)/.exec(entry)![1]!, entry]));
  }

  get names(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** @throws ShoalError `UNSUPPORTED` for a kernel that was not shipped, as those of other packages are not */
  async compile(kernels: readonly KernelSource[]): Promise<Uint8Array> {
    const entries = kernels.map(({ name }) => {
      const entry = this.#entries.get(name);
      if (entry === undefined)
        throw unavailable(`${name} is not among the kernels that were compiled before`, 'Install NVRTC, which compiles it');
      return entry;
    });
    return new TextEncoder().encode(`${this.#head}${entries.join('')}\0`);
  }
}
