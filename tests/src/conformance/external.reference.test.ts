import { describeExternal } from './describe-external.ts';
import { makeOracle } from './oracle.ts';

describeExternal('reference', makeOracle);
