import { mathCases } from '@shoal/math/cases';
import { describeOnTfjsWebgpu } from '../tfjs-webgpu.ts';

describeOnTfjsWebgpu(mathCases);
