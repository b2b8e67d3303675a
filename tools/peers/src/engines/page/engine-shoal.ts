import { openShoal } from '../shoal.ts';
import type { OpenPageEngine } from './page.ts';

export const open: OpenPageEngine = ({ threads, shoalVersion }) => openShoal({ threads }, 'default', shoalVersion);
