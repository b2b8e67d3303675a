import { en } from './en.ts';
import { ptBr } from './pt-br.ts';
import type { Strings } from './strings.ts';

/** The languages there are strings for, as BCP 47 tags. */
export const languages = ['en', 'pt-BR'] as const;
export type Language = (typeof languages)[number];

export const strings: Readonly<Record<Language, Strings>> = { en, 'pt-BR': ptBr };
export type { CostName, Strings } from './strings.ts';
