import { poolCases } from '@shoal/pool/cases';
import { describeOnTfjsWebgpu } from '../tfjs-webgpu.ts';

describeOnTfjsWebgpu(poolCases);
