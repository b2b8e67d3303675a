import { convCases } from '@shoal/conv/cases';
import { describeOnTfjsWebgpu } from '../tfjs-webgpu.ts';

describeOnTfjsWebgpu(convCases);
