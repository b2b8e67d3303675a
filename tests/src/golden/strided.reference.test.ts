import { makeOracle } from '../conformance/oracle.ts';
import { cifarNames, describeGoldens } from './goldens.ts';

describeGoldens(
  'reference',
  cifarNames.filter((name) => /^(strided|all)-cnn/.test(name)),
  makeOracle,
);
