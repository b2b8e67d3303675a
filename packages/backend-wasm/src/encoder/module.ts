import { concatenate, name as encodeName, signed, unsigned, vector } from './bytes.ts';
import type { Bytes } from './bytes.ts';
import { FunctionBuilder, typeCodes } from './function.ts';
import type { FunctionReference, Locals, Parameters } from './function.ts';
import { EncodeError } from './values.ts';
import type { Operand, ValueType } from './values.ts';

/** Size of a WebAssembly page in bytes. */
export const PAGE_BYTES = 65536;
const MAXIMUM_PAGES = 65536;
const MAGIC_AND_VERSION = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

export interface ModuleOptions {
  /** `madd` fuses where the processor can (relaxed SIMD). Part of what decides bits: `true` only where `features.relaxedSimd`. */
  readonly fma: boolean;
  /** The engine has relaxed SIMD, also where `fma` is off for exactness. Default: `fma`. */
  readonly relaxed?: boolean;
  /** The imported memory is shared. Atomics and barriers are emitted only then. */
  readonly shared: boolean;
}

export interface FunctionSpecification<P extends Parameters, R extends ValueType | undefined> {
  /** Name of the function, unique in the module; also its export name. Shows in profiles and traps. */
  readonly name: string;
  /** Name to type, in the order of the signature. */
  readonly parameters?: P;
  readonly result?: R;
  /** Default: false. */
  readonly export?: boolean;
}

type Body<P extends Parameters, R extends ValueType | undefined> = (
  f: FunctionBuilder,
  parameters: Locals<P>,
) => R extends ValueType ? Operand<R> : void;

interface Defined {
  readonly name: string;
  readonly type: number;
  /** With its length in front. */
  readonly body: Uint8Array;
}

/**
 * One WebAssembly module over one imported memory (`env.memory`). Functions are written in the order they are asked for; equal calls give equal
 * bytes, so a module can be a cache key.
 */
export class ModuleBuilder {
  readonly fma: boolean;
  readonly relaxed: boolean;
  readonly shared: boolean;
  readonly #types = new Map<string, Bytes>();
  readonly #imports: (readonly number[])[] = [];
  readonly #importNames: string[] = [];
  readonly #functions: Defined[] = [];
  readonly #exports: (readonly number[])[] = [];
  readonly #names = new Set<string>();
  readonly #data: Bytes[] = [];
  readonly #customs: Bytes[] = [];
  readonly #shared = new Map<string, unknown>();

  constructor({ fma, relaxed = fma, shared }: ModuleOptions) {
    this.fma = fma;
    this.relaxed = relaxed;
    this.shared = shared;
  }

  /** A function from outside, such as an export of a module that was loaded before. All imports come before the first function. */
  import<const P extends Parameters, R extends ValueType | undefined = undefined>(
    from: string,
    { name, parameters, result }: FunctionSpecification<P, R>,
  ): FunctionReference<P, R> {
    if (this.#functions.length > 0) throw new EncodeError(`import ${from}.${name} comes after a function; import first`);
    const reference = { name, index: this.#importNames.length, parameters: parameters ?? ({} as P), result: result as R };
    this.#imports.push([...encodeName(from), ...encodeName(name), 0x00, ...unsigned(this.#type(reference.parameters, result))]);
    this.#importNames.push(name);
    return reference;
  }

  /** Writes a function. `body` runs at once; where there is a result, it returns the last value. */
  function<const P extends Parameters = Record<never, never>, R extends ValueType | undefined = undefined>(
    { name, parameters, result, export: exported = false }: FunctionSpecification<P, R>,
    body: Body<P, R>,
  ): FunctionReference<P, R> {
    if (this.#names.has(name)) throw new EncodeError(`two functions are named ${name}`);
    this.#names.add(name);
    const types: Parameters = parameters ?? {};
    if (Object.keys(types).some((key) => /^\d/.test(key))) throw new EncodeError(`${name}: parameter names begin with a letter`);
    const builder = new FunctionBuilder({ name, parameters: types, result, fma: this.fma, relaxed: this.relaxed });
    const last = body(builder, builder.parameters as Locals<P>);
    const index = this.#importNames.length + this.#functions.length;
    this.#functions.push({ name, type: this.#type(types, result), body: builder.finish(last ?? undefined) });
    if (exported) this.#exports.push([...encodeName(name), 0x00, ...unsigned(index)]);
    return { name, index, parameters: parameters ?? ({} as P), result: result as R };
  }

  /** Builds something once per key: two layers of one shape share a kernel. */
  once<T>(key: string, build: () => T): T {
    if (!this.#shared.has(key)) this.#shared.set(key, build());
    return this.#shared.get(key) as T;
  }

  /** Bytes that instantiation writes to the memory at a fixed address. */
  data(address: number, bytes: Uint8Array): void {
    this.#data.push(concatenate([[0x00, 0x41, ...signed(address | 0), 0x0b], unsigned(bytes.length), bytes]));
  }

  /** A custom section: part of the bytes, and so of what engines key their code by, without any meaning to them. */
  custom(name: string, bytes: Uint8Array): void {
    this.#customs.push(section(0, concatenate([encodeName(name), bytes])));
  }

  build(): Uint8Array<ArrayBuffer> {
    // Limits that any memory of the right kind satisfies, so that bytes do not depend on the memory's size.
    const limits = this.shared ? [0x03, 0, ...unsigned(MAXIMUM_PAGES)] : [0x00, 0];
    const memory = [...encodeName('env'), ...encodeName('memory'), 0x02, ...limits];
    const names = [...this.#importNames, ...this.#functions.map((f) => f.name)].map((text, index) => [
      ...unsigned(index),
      ...encodeName(text),
    ]);
    const functionNames = vector(names);
    return concatenate([
      MAGIC_AND_VERSION,
      section(1, vector([...this.#types.values()])),
      section(2, vector([...this.#imports, memory])),
      section(3, vector(this.#functions.map((f) => unsigned(f.type)))),
      section(7, vector(this.#exports)),
      section(10, vector(this.#functions.map((f) => f.body))),
      ...(this.#data.length > 0 ? [section(11, vector(this.#data))] : []),
      ...this.#customs,
      section(0, concatenate([encodeName('name'), [1], unsigned(functionNames.length), functionNames])),
    ]);
  }

  #type(parameters: Parameters, result: ValueType | undefined): number {
    const list = Object.values(parameters);
    const key = `${list.join()}:${result ?? ''}`;
    if (!this.#types.has(key)) {
      this.#types.set(key, [0x60, ...vector(list.map((type) => [typeCodes[type]])), ...vector(result ? [[typeCodes[result]]] : [])]);
    }
    return [...this.#types.keys()].indexOf(key);
  }
}

const section = (id: number, content: Bytes): Uint8Array => concatenate([[id], unsigned(content.length), content]);
