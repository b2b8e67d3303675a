import { verifyGolden } from '@shoal/zoo/golden';
import { expect, test } from 'vitest';
import { makeOracle } from '../conformance/oracle.ts';
import { failuresOf, readGolden } from './goldens.ts';

/** `vitest --mode deep` */
const deep = (import.meta as ImportMeta & { readonly env: { readonly MODE: string } }).env.MODE === 'deep';

/** One training step at 64x64 in float64, where nothing hides behind rounding. */
test.for(['resnet50', 'fishnet99', 'fishnet99.frozenbn'])(
  deep ? '%s on the reference backend' : '%s on the reference backend is skipped: it takes minutes (npx -y pnpm@12 test:deep)',
  { timeout: 3_600_000 },
  async (name, { skip }) => {
    if (!deep) skip();
    const { eval: _, extra: __, ...golden } = readGolden(name);
    const runtime = await makeOracle();
    const checks = await verifyGolden(golden, runtime, { float64: true });
    await runtime.dispose();
    expect(failuresOf(checks)).toEqual([]);
  },
);
