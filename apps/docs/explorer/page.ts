import { defineDownsamplingExplorer, languages, strings } from '@shoal/widgets';

const { documentElement: root } = document;
const explorer = document.querySelector('shoal-downsampling-explorer')!;

/** The page speaks the language of the explorer. */
const speak = (): void => {
  const language = languages.find((each) => each === explorer.lang) ?? 'en';
  root.lang = language;
  document.title = strings[language].question;
  document.querySelector('h1')!.textContent = strings[language].question;
};

// Until here the page was English; now it is the link, or else the reader's browser, that says.
root.removeAttribute('lang');
defineDownsamplingExplorer();
speak();
explorer.addEventListener('state-change', speak);
