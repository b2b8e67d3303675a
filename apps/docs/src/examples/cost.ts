import { cost } from '@shoal/analyze';
import { pooledStem, small } from './network.ts';

const { params, macs, comparisons, logicalBytes, receptiveField, layers } = cost(small(pooledStem));
for (const layer of layers) console.log(layer.name.padEnd(20), layer.kind.padEnd(14), layer.shape.join('x').padEnd(12), layer.macs);
console.log(`${params} parameters, ${macs} multiply-accumulates, ${comparisons} comparisons`);
console.log(`activations: ${logicalBytes.inference} bytes to run, ${logicalBytes.training} to train`);
console.log(`one cell of ${receptiveField.layer} sees ${receptiveField.height.size} pixels`);
