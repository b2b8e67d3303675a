import { access, constants, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ShoalError } from '@shoal/core';

/** Where a command writes: what it found to `out`, everything about the finding of it to `log`. */
export interface Streams {
  readonly out: (text: string) => void;
  readonly log: (text: string) => void;
  /** Whether a person is watching `log`: progress is drawn only then. */
  readonly interactive: boolean;
}

/** Wrong usage: the message says what would be right, and the process ends with 2. */
export class UsageError extends Error {}

/** Exit codes: fine; ran, and the answer is bad; wrong usage. */
export const exitCode = { fine: 0, bad: 1, usage: 2 } as const;

/** Writes a machine-readable result to a file, or to standard output for `-`. */
export async function writeJson(target: string, value: unknown, streams: Streams): Promise<void> {
  const text = `${JSON.stringify(value, null, 1)}\n`;
  if (target === '-') streams.out(text);
  else await writeText(target, text);
}

/** Finds out before the work, not after it, that a result has nowhere to go. */
export async function checkTargets(targets: Readonly<Record<string, string | undefined>>): Promise<void> {
  for (const [option, path] of Object.entries(targets)) {
    if (path === undefined || (option === 'json' && path === '-')) continue;
    if (path === '-') throw new UsageError(`--${option} -: only --json goes to standard output. Name a file`);
    await access(dirname(path), constants.W_OK).catch((cause: unknown) => {
      throw new UsageError(`cannot write ${path}: ${messageOf(cause)}`);
    });
  }
}

export async function writeText(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (cause) {
    throw new UsageError(`cannot write ${path}: ${messageOf(cause)}`);
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A whole number option of at least `least` and at most `most`. */
export function wholeNumber(option: string, least: number, most = Infinity): (text: string) => number {
  const range = most === Infinity ? `of at least ${least}` : `from ${least} to ${most}`;
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least || value > most) throw new UsageError(`${option} ${text} is not a whole number ${range}`);
    return value;
  };
}

/** `224x160`, height first; one number stands for both. */
export function imageSize(text: string): readonly [height: number, width: number] {
  const [, height, width = height] = /^(\d+)(?:x(\d+))?$/.exec(text) ?? [];
  const size = [Number(height), Number(width)] as const;
  if (!size.every((side) => Number.isSafeInteger(side) && side > 0)) {
    throw new UsageError(`--input ${text} is no size. Give height and width, such as 224x160`);
  }
  return size;
}

export const isExpected = (error: unknown): error is Error => error instanceof UsageError || error instanceof ShoalError;
