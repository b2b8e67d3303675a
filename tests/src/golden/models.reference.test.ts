import { makeOracle } from '../conformance/oracle.ts';
import { cifarNames, describeGoldens } from './goldens.ts';

describeGoldens(
  'reference',
  cifarNames.filter((name) => name.startsWith('model')),
  makeOracle,
);
