import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { cudaFlags, printCuda, type KernelSource } from '../source.ts';
import type { KernelCompiler, Target } from './compiler.ts';

/**
 * Where compiled kernels are kept between processes: `$SHOAL_CACHE`, else `shoal` in the user's cache folder. An empty `SHOAL_CACHE`
 * keeps none: undefined.
 */
export function cacheFolder(
  variables: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
  home = homedir(),
): string | undefined {
  const given = variables['SHOAL_CACHE'];
  if (given !== undefined) return given === '' ? undefined : given;
  // The specification of XDG has an empty variable mean what an absent one does.
  const user = platform === 'win32' ? variables['LOCALAPPDATA'] : variables['XDG_CACHE_HOME'];
  return join(user || join(home, platform === 'win32' ? 'AppData/Local' : '.cache'), 'shoal');
}

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
    await this.#write(path, image);
    return image;
  }

  /** What was written whole: an image stands behind its own digest. */
  async #read(path: string): Promise<Uint8Array | undefined> {
    const bytes = await readFile(path).catch(() => undefined);
    const image = bytes?.subarray(digestBytes);
    return bytes && image && digestOf(image).equals(bytes.subarray(0, digestBytes)) ? image : undefined;
  }

  /** Where nothing can be written, the next process compiles again: nothing else is lost, so nobody is told. */
  async #write(path: string, image: Uint8Array): Promise<void> {
    // Others may write the same file: each writes one of its own, and puts it in place whole.
    const own = `${path}.${randomUUID()}`;
    try {
      await mkdir(this.#folder, { recursive: true });
      await writeFile(own, Buffer.concat([digestOf(image), image]));
      await rename(own, path);
    } catch {
      await rm(own, { force: true }).catch(() => undefined);
    }
  }
}

/** The compiler, with the user's cache where there is to be one. */
export function withCache(compiler: KernelCompiler, folder: string | undefined = cacheFolder()): KernelCompiler {
  return folder === undefined ? compiler : new CachedCompiler(compiler, folder);
}
