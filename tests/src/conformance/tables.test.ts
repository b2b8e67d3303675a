import * as core from '@shoal/core';
import type { AnyOp, Case, CaseTable } from '@shoal/core';
import { coreCases } from '@shoal/core/cases';
import { buildCase } from '@shoal/conformance';
import * as conv from '@shoal/conv';
import { convCases } from '@shoal/conv/cases';
import * as math from '@shoal/math';
import { mathCases } from '@shoal/math/cases';
import * as pool from '@shoal/pool';
import { poolCases } from '@shoal/pool/cases';
import * as residual from '@shoal/residual';
import { residualCases } from '@shoal/residual/cases';
import { describe, expect, test } from 'vitest';

const packages: Readonly<Record<string, { readonly exports: object; readonly tables: readonly CaseTable[] }>> = {
  core: { exports: core, tables: coreCases },
  math: { exports: math, tables: mathCases },
  conv: { exports: conv, tables: convCases },
  pool: { exports: pool, tables: poolCases },
  residual: { exports: residual, tables: residualCases },
};

const isOp = (value: unknown): value is AnyOp => typeof value === 'object' && value !== null && 'infer' in value && 'vjp' in value;
/** Compiling removes `core/stop-gradient`: no backend ever sees it. */
const opsOf = (exports: object): readonly AnyOp[] =>
  [...new Set(Object.values(exports).filter(isOp))].filter((op) => op !== core.stopGradientOp);
const hasLiteral = ({ expect: literal }: Case): boolean => literal?.some((numbers) => numbers !== null) ?? false;
const isDifferenced = ({ gradient }: Case): boolean => gradient === undefined || gradient === 'finite-difference';

describe.each(Object.entries(packages))('%s', (_, { exports, tables }) => {
  test.each(opsOf(exports).map((op) => [op.name, op] as const))('%s has a table with literals and finite differences', (_name, op) => {
    const cases = tables.filter((table) => table.op === op).flatMap((table) => table.cases);
    expect(cases.some(hasLiteral), 'a literal expectation').toBe(true);
    const derivable = cases.some((one) => buildCase(one).differentiable.length > 0 && buildCase(one).outputs[0]!.dtype === 'f32');
    if (typeof op.vjp === 'function' && derivable) expect(cases.some(isDifferenced), 'a finite difference').toBe(true);
  });

  test('every table has a literal expectation, and its cases names of their own', () => {
    const problems = tables.flatMap(({ name, cases }) => {
      const names = cases.map((one) => one.name);
      const repeated = names.filter((each, i) => names.indexOf(each) !== i).map((each) => `${name}: '${each}' is there twice`);
      return cases.some(hasLiteral) ? repeated : [`${name}: no literal`, ...repeated];
    });
    expect(problems).toEqual([]);
  });
});
