import { residualCases } from '@shoal/residual/cases';
import { describeOnTfjsWebgpu } from '../tfjs-webgpu.ts';

describeOnTfjsWebgpu(residualCases);
