/** A city with what an address and a phone number there look like: # stands for a digit, ? for a letter. */
export interface Place {
  city: string;
  state: string | null;
  postalCode: string;
  timezone: string;
  /** In E.164 with spaces, and as one dials it within the country. */
  phone: { international: string; national: string };
}

/** A country that customers come from. */
export interface Market {
  country: string;
  locale: string;
  currency: string;
  /** Of faker's locales, the one whose names people there have. */
  names: "en" | "de" | "fr" | "sv";
  /** How many of the surnames become names of companies: the market's share. */
  surnames: number;
  legalForm: string;
  /** House number before or after the street. */
  street: (street: string, number: number) => string;
  places: readonly Place[];
}

const numberFirst = (street: string, number: number) => `${number} ${street}`;
const numberLast = (street: string, number: number) => `${street} ${number}`;

/**
 * Cities are real, because faker makes them up. The phone numbers are of the ranges that each regulator
 * keeps for fiction, so that a demo that dials reaches nobody.
 */
export const MARKETS: readonly Market[] = [
  {
    country: "US",
    locale: "en-US",
    currency: "USD",
    names: "en",
    surnames: 190,
    legalForm: "Inc.",
    street: numberFirst,
    places: [
      northAmerican("New York", "NY", "100##", "America/New_York", "212"),
      northAmerican("Brooklyn", "NY", "112##", "America/New_York", "718"),
      northAmerican("Boston", "MA", "021##", "America/New_York", "617"),
      northAmerican("Atlanta", "GA", "303##", "America/New_York", "404"),
      northAmerican("Miami", "FL", "331##", "America/New_York", "305"),
      northAmerican("Chicago", "IL", "606##", "America/Chicago", "312"),
      northAmerican("Austin", "TX", "787##", "America/Chicago", "512"),
      northAmerican("Minneapolis", "MN", "554##", "America/Chicago", "612"),
      northAmerican("Denver", "CO", "802##", "America/Denver", "303"),
      northAmerican("San Francisco", "CA", "941##", "America/Los_Angeles", "415"),
      northAmerican("San Diego", "CA", "921##", "America/Los_Angeles", "619"),
      northAmerican("Seattle", "WA", "981##", "America/Los_Angeles", "206"),
    ],
  },
  {
    country: "GB",
    locale: "en-GB",
    currency: "GBP",
    names: "en",
    surnames: 90,
    legalForm: "Ltd",
    street: numberFirst,
    places: [
      place("London", null, "EC2A #??", "Europe/London", "+44 20 7946 0###", "020 7946 0###"),
      place("Manchester", null, "M1 #??", "Europe/London", "+44 161 496 0###", "0161 496 0###"),
      place("Leeds", null, "LS1 #??", "Europe/London", "+44 113 496 0###", "0113 496 0###"),
      place("Bristol", null, "BS1 #??", "Europe/London", "+44 117 496 0###", "0117 496 0###"),
      place("Edinburgh", null, "EH2 #??", "Europe/London", "+44 131 496 0###", "0131 496 0###"),
    ],
  },
  {
    country: "DE",
    locale: "de-DE",
    currency: "EUR",
    names: "de",
    surnames: 110,
    legalForm: "GmbH",
    street: numberLast,
    places: [
      place("Berlin", null, "101##", "Europe/Berlin", "+49 30 23125 ###", "030 23125###"),
      place("Hamburg", null, "203##", "Europe/Berlin", "+49 40 66969 ###", "040 66969###"),
      place("München", "Bayern", "803##", "Europe/Berlin", "+49 89 99998 ###", "089 99998###"),
      place("Köln", "Nordrhein-Westfalen", "506##", "Europe/Berlin", "+49 221 4710 ###", "0221 4710###"),
      place("Frankfurt am Main", "Hessen", "603##", "Europe/Berlin", "+49 69 90009 ###", "069 90009###"),
    ],
  },
  {
    country: "FR",
    locale: "fr-FR",
    currency: "EUR",
    names: "fr",
    surnames: 80,
    legalForm: "SAS",
    street: numberFirst,
    places: [
      place("Paris", null, "7501#", "Europe/Paris", "+33 1 99 00 ## ##", "01 99 00 ## ##"),
      place("Nantes", null, "440##", "Europe/Paris", "+33 2 61 91 ## ##", "02 61 91 ## ##"),
      place("Lille", null, "590##", "Europe/Paris", "+33 3 53 01 ## ##", "03 53 01 ## ##"),
      place("Lyon", null, "6900#", "Europe/Paris", "+33 4 65 71 ## ##", "04 65 71 ## ##"),
      place("Bordeaux", null, "330##", "Europe/Paris", "+33 5 36 49 ## ##", "05 36 49 ## ##"),
    ],
  },
  {
    country: "CA",
    locale: "en-CA",
    currency: "CAD",
    names: "en",
    surnames: 50,
    legalForm: "Inc.",
    street: numberFirst,
    places: [
      northAmerican("Toronto", "ON", "M5V #?#", "America/Toronto", "416"),
      northAmerican("Montréal", "QC", "H3B #?#", "America/Toronto", "514"),
      northAmerican("Vancouver", "BC", "V6B #?#", "America/Vancouver", "604"),
      northAmerican("Calgary", "AB", "T2P #?#", "America/Edmonton", "403"),
    ],
  },
  {
    country: "SE",
    locale: "sv-SE",
    currency: "SEK",
    names: "sv",
    surnames: 40,
    legalForm: "AB",
    street: numberLast,
    places: [
      place("Stockholm", null, "111 ##", "Europe/Stockholm", "+46 8 465 004 ##", "08-465 004 ##"),
      place("Göteborg", null, "411 ##", "Europe/Stockholm", "+46 31 390 06 ##", "031-390 06 ##"),
      place("Malmö", null, "211 ##", "Europe/Stockholm", "+46 40 628 04 ##", "040-628 04 ##"),
    ],
  },
  {
    country: "AU",
    locale: "en-AU",
    currency: "AUD",
    names: "en",
    surnames: 40,
    legalForm: "Pty Ltd",
    street: numberFirst,
    places: [
      place("Sydney", "NSW", "20##", "Australia/Sydney", "+61 2 7010 ####", "(02) 7010 ####"),
      place("Melbourne", "VIC", "30##", "Australia/Melbourne", "+61 3 7010 ####", "(03) 7010 ####"),
      place("Brisbane", "QLD", "40##", "Australia/Brisbane", "+61 7 7010 ####", "(07) 7010 ####"),
    ],
  },
];

function northAmerican(city: string, state: string, postalCode: string, timezone: string, areaCode: string): Place {
  return place(city, state, postalCode, timezone, `+1 ${areaCode} 555 01##`, `(${areaCode}) 555-01##`);
}

function place(
  city: string,
  state: string | null,
  postalCode: string,
  timezone: string,
  international: string,
  national: string,
): Place {
  return { city, state, postalCode, timezone, phone: { international, national } };
}
