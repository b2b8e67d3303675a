import { coreCases } from '@shoal/core/cases';
import { describeOnTfjsWebgpu } from '../tfjs-webgpu.ts';

describeOnTfjsWebgpu(coreCases);
