import { ShoalError, type ErrorCode } from '@shoal/core';
import { expect, test } from 'vitest';

/** What must be thrown: its code, and its whole message. */
export type Complaint = readonly [code: ErrorCode, message: string];

/** The code and message of a typed error; anything else is thrown on. */
export function complaintOf(error: unknown): Complaint {
  if (error instanceof ShoalError) return [error.code, error.message];
  throw error;
}

/** Building the graph throws, so that nothing of it can run. */
export function rejects(name: string, build: () => unknown, ...complaint: Complaint): void {
  test(name, () => {
    let thrown: unknown = new Error('Nothing was thrown.');
    try {
      build();
    } catch (error) {
      thrown = error;
    }
    expect(complaintOf(thrown)).toEqual(complaint);
  });
}

/** A call of the runtime is refused. */
export async function refused(call: Promise<unknown>): Promise<Complaint> {
  return call.then(() => expect.fail('Nothing was thrown.'), complaintOf);
}

/** What callers without types may pass. */
export const untyped = (value: unknown): never => value as never;
