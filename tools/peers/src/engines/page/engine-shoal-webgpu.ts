import { openShoalWebgpu } from '../shoal-webgpu.ts';
import type { OpenPageEngine } from './page.ts';

export const open: OpenPageEngine = ({ shoalVersion }) => openShoalWebgpu(shoalVersion);
