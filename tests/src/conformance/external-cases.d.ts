declare module 'virtual:external-cases' {
  const texts: Readonly<Record<string, Readonly<Record<string, string>> | null>>;
  export default texts;
}
