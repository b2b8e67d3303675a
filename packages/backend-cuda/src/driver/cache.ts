import { cacheFolder, keepFile } from '@shoal/cache/folder';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cudaFlags, printCuda, type KernelSource } from '../source.ts';
import type { KernelCompiler, Target } from './compiler.ts';

const digestBytes = 32;
const digestOf = (...parts: readonly (string | Uint8Array)[]): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();

/** A compiler that keeps its images in a folder, by what they are made of: text, flags, architecture and the compiler's version. */
export class CachedCompiler implements KernelCompiler {
  readonly name: string;
  readonly generic: boolean;
  readonly #compiler: KernelCompiler;
  readonly #folder: string;

  constructor(compiler: KernelCompiler, folder: string) {
    this.name = compiler.name;
    this.generic = compiler.generic;
    this.#compiler = compiler;
    this.#folder = folder;
  }

  async compile(kernels: readonly KernelSource[], target: Target): Promise<Uint8Array> {
    const key = digestOf(JSON.stringify([this.name, target.capability, cudaFlags]), printCuda(kernels)).toString('hex');
    const path = join(this.#folder, `${key}.kernels`);
    const kept = await this.#read(path);
    if (kept) return kept;
    const image = await this.#compiler.compile(kernels, target);
    await keepFile(path, Buffer.concat([digestOf(image), image]));
    return image;
  }

  /** What was written whole: an image stands behind its own digest. */
  async #read(path: string): Promise<Uint8Array | undefined> {
    const bytes = await readFile(path).catch(() => undefined);
    const image = bytes?.subarray(digestBytes);
    return bytes && image && digestOf(image).equals(bytes.subarray(0, digestBytes)) ? image : undefined;
  }
}

/** The compiler, with the user's cache where there is to be one. */
export function withCache(compiler: KernelCompiler, folder: string | undefined = cacheFolder()): KernelCompiler {
  return folder === undefined ? compiler : new CachedCompiler(compiler, folder);
}
