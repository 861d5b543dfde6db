// The words about a copy to take along, in English and Spanish: loaded where there is one.

const EN = {
  tag: "en",
  title: "A copy of your form",
  saveHere: "You can save your form on this phone as a PDF. It tells about your health: keep it where only you can see it.",
  save: "Save a copy",
  again: "Save it again",
  making: "One moment. We are making your copy…",
  saved: "Your copy is ready. Look in the downloads of your phone.",
  over: "This link does not work anymore. It was used before, or its 10 minutes are over. Please ask our staff for a copy.",
  failed: "We could not make your copy. Please try again, or ask our staff.",
  offline: "We can't connect. Check that your phone is on the clinic's Wi-Fi, and try again.",
  // on a screen of the clinic
  takeAlong: "Take a copy with you",
  noLink: "We have no copy for you here right now. Please ask our staff for one.",
  scan: "Scan this with your phone",
  scanHow: "Open your camera, point it at the code, and tap the link. Your phone must be on the clinic's Wi-Fi.",
  scanOnce: "The link works one time, for 10 minutes.",
  qr: "QR code with the link to your copy",
};

export type CopyWord = keyof typeof EN;

const ES: Record<CopyWord, string> = {
  tag: "es",
  title: "Una copia de su formulario",
  saveHere: "Puede guardar su formulario en este teléfono como PDF. Contiene datos de su salud: guárdelo donde solo usted pueda verlo.",
  save: "Guardar una copia",
  again: "Guardarla otra vez",
  making: "Un momento. Estamos preparando su copia…",
  saved: "Su copia está lista. Búsquela en las descargas de su teléfono.",
  over: "Este enlace ya no funciona. Ya se usó o pasaron sus 10 minutos. Por favor, pida una copia a nuestro personal.",
  failed: "No pudimos preparar su copia. Inténtelo otra vez o pídala a nuestro personal.",
  offline: "No hay conexión. Revise que su teléfono esté en el wifi de la clínica e inténtelo otra vez.",
  takeAlong: "Llevarse una copia",
  noLink: "Ahora no tenemos una copia para usted aquí. Por favor, pídala a nuestro personal.",
  scan: "Escanee esto con su teléfono",
  scanHow: "Abra la cámara, apunte al código y toque el enlace. Su teléfono debe estar en el wifi de la clínica.",
  scanOnce: "El enlace funciona una sola vez, durante 10 minutos.",
  qr: "Código QR con el enlace a su copia",
};

export function copyWords(language: string): (word: CopyWord) => string {
  const words = language.startsWith("es") ? ES : EN;
  return (word) => words[word];
}
