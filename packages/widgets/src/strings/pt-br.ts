import type { Strings } from './strings.ts';

const plural = (one: string, many: string) => (count: number) => (count === 1 ? one : many);
const pixels = (count: number): string => `${Math.abs(count)} ${Math.abs(count) === 1 ? 'pixel' : 'pixels'}`;

export const ptBr: Strings = {
  languageName: 'Português (Brasil)',
  language: 'Idioma',
  question: 'Pooling ou stride?',
  explorer: 'Pooling ou stride: uma imagem, quatro maneiras de reduzi-la',
  tryThis: 'Experimente',
  presets: {
    start: {
      name: 'Início',
      notice:
        'Cada maneira transforma a mesma imagem 4×4 em uma 2×2. Siga as setas para baixo: elas mostram quais células recebem resposta, e com que força.',
    },
    tie: {
      name: 'Empates',
      notice:
        'Quando várias células são igualmente grandes, o max pooling envia todo o gradiente à primeira delas, na ordem de leitura. Uma média ou soma ponderada não tem empates.',
    },
    negative: {
      name: 'Tudo negativo',
      notice:
        'O maior valor pode ser negativo: cada janela continua tendo um vencedor, e quatro células recebem resposta. Uma busca que começasse do zero as perderia.',
    },
    shift: {
      name: 'Um pixel para o lado',
      notice:
        'A mesma imagem, deslocada em um pixel, e outras saídas. Desloque-a em dois: agora cada janela contém o que a vizinha continha, e as saídas apenas mudam de lugar.',
    },
    average: {
      name: 'Um filtro de quartos',
      notice:
        'Com quatro pesos iguais a ¼, a convolução com stride é o average pooling: mesmas saídas, mesmas setas. Ela paga em multiplicações pelo direito de aprender outra coisa.',
    },
    skip: {
      name: 'Só o stride',
      notice:
        'Um filtro com um único peso é uma convolução 1×1 com stride 2, como em muitos atalhos residuais: três de cada quatro células nunca são lidas e nunca recebem resposta.',
    },
  },
  ownNumbers: 'Seus próprios números. Aponte para uma célula para segui-la nas quatro maneiras.',
  image: 'Imagem',
  imageHint: 'Mude qualquer número.',
  filter: 'Filtro',
  filterHint: 'Pesos da convolução.',
  upstream: 'Gradiente que chega',
  upstreamHint: 'Chega a cada saída.',
  allOnes: 'Tudo um',
  keys: 'As setas do teclado movem entre as células, Enter edita um número, Esc desfaz.',
  cell: (row, column) => `linha ${row}, coluna ${column}`,
  notANumber: (limit) => `Um número de −${limit} a ${limit}, por favor.`,
  shift: 'Desloque a imagem',
  shiftX: 'Na horizontal',
  shiftY: 'Na vertical',
  shiftXBy: (count) => (count === 0 ? 'sem deslocamento' : `${pixels(count)} à ${count > 0 ? 'direita' : 'esquerda'}`),
  shiftYBy: (count) => (count === 0 ? 'sem deslocamento' : `${pixels(count)} para ${count > 0 ? 'baixo' : 'cima'}`),
  edge: 'O que entra pela borda',
  edges: { circular: 'o que saiu do outro lado', zero: 'zeros' },
  reset: 'Recomeçar',
  copyLink: 'Copiar link',
  linkCopied: 'Copiado: o link guarda tudo o que você vê.',
  linkNotCopied: 'O navegador não permitiu copiar. O link:',
  linkBroken: 'Não foi possível ler o link, por isso você vê o início.',
  failed: (reason) => `Não foi possível calcular: ${reason}`,
  notHad: (backend, reason) => `${backend}: ${reason} O JavaScript calcula em seu lugar.`,
  loading: 'Calculando …',
  operators: {
    max: { name: 'Max pooling', does: 'guarda o maior de cada quatro' },
    average: { name: 'Average pooling', does: 'guarda a média de cada quatro' },
    convolution: { name: 'Convolução com stride', does: 'pondera cada quatro pelo filtro' },
    spaceToDepth: { name: 'Space-to-depth', does: 'guarda todos os quatro, como canais' },
  },
  output: 'Saída',
  outputTable: (operator) => `${operator}: saída`,
  gradientTable: (operator) => `${operator}: gradiente para a imagem`,
  channel: (channel) => `canal ${channel}`,
  was: (value) => `era ${value}`,
  reaches: (cells, total) => `O gradiente alcança ${cells} de ${total} células`,
  shiftEffect: ({ kind, changed, total }) =>
    kind === 'unchanged'
      ? 'Deslocada: saídas iguais'
      : kind === 'moved'
        ? 'Deslocada: mesmas saídas, em outro lugar'
        : `Deslocada: ${changed} de ${total} saídas são novas`,
  learnsNothing: 'Nada a aprender',
  learns: 'Gradiente para o filtro',
  cost: 'Custo',
  costs: {
    parameters: plural('parâmetro', 'parâmetros'),
    multiplyAccumulates: plural('multiplicação-acumulação', 'multiplicações-acumulações'),
    comparisons: plural('comparação', 'comparações'),
    additions: plural('adição', 'adições'),
    transcendentals: plural('divisão', 'divisões'),
    bytes: plural('byte movido', 'bytes movidos'),
  },
  legend: { value: 'valor', positive: 'gradiente positivo', negative: 'gradiente negativo', winner: 'vencedor' },
  computedIn: 'Calculado nesta página pelo Shoal:',
  computedBy: {
    reference: 'JavaScript, float64',
    wasm: 'WebAssembly, float32',
    webgpu: 'WebGPU, float32',
  },
};
