import { makeOracle } from '../conformance/oracle.ts';
import { describeGoldens } from './goldens.ts';

describeGoldens('reference', ['resnet-mini', 'resnet-mini.frozenbn', 'fishnet-mini', 'fishnet-mini.frozenbn'], makeOracle);
