/** What companies do, and the words that their names then end in. An industry with more words has more companies. */
export const INDUSTRIES: Record<string, readonly string[]> = {
  Software: ["Software", "Systems", "Digital", "Cloud", "Analytics", "Labs", "Data", "Apps"],
  Manufacturing: ["Manufacturing", "Industries", "Precision", "Components", "Tools", "Plastics", "Robotics"],
  Retail: ["Retail", "Outfitters", "Home", "Markets", "Goods"],
  Healthcare: ["Health", "Medical", "Clinics", "Diagnostics", "Pharma"],
  "Financial Services": ["Capital", "Finance", "Insurance", "Payments", "Wealth"],
  "Professional Services": ["Consulting", "Advisory", "Legal", "Recruiting", "Accounting"],
  Logistics: ["Logistics", "Freight", "Shipping", "Transport"],
  Construction: ["Construction", "Builders", "Architects", "Interiors"],
  Hospitality: ["Hotels", "Catering", "Travel", "Events"],
  Energy: ["Energy", "Solar", "Power"],
  Media: ["Media", "Studios", "Publishing"],
  Education: ["Learning", "Academy", "Training"],
  Agriculture: ["Farms", "Foods", "Organics"],
  Telecommunications: ["Telecom", "Networks"],
};

/** Every word that a company's name may end in, with its industry. */
export const TRADES: readonly { word: string; industry: string }[] = Object.entries(INDUSTRIES).flatMap(
  ([industry, words]) => words.map((word) => ({ word, industry })),
);

/** Departments with the titles in them; a department that has more is larger. */
export const JOBS: readonly { department: string; title: string; senior?: true }[] = Object.entries({
  Sales: ["Account Executive", "Sales Manager", "Business Development Manager", "*Head of Sales", "*VP Sales"],
  Marketing: ["Marketing Manager", "Content Specialist", "Growth Manager", "*Head of Marketing", "*CMO"],
  Operations: ["Operations Manager", "Project Manager", "Office Manager", "Logistics Coordinator", "*COO"],
  Engineering: ["Software Engineer", "Systems Engineer", "Engineering Manager", "*CTO"],
  IT: ["IT Administrator", "IT Manager", "Security Analyst", "*CIO"],
  Finance: ["Accountant", "Controller", "Finance Manager", "*CFO"],
  Procurement: ["Buyer", "Procurement Manager", "*Head of Procurement"],
  "Human Resources": ["HR Generalist", "Recruiter", "*Head of People"],
  "Customer Success": ["Customer Success Manager", "Support Engineer", "Support Lead"],
  Legal: ["Legal Counsel", "*General Counsel"],
  Management: ["*Managing Director", "*CEO", "*Founder"],
}).flatMap(([department, titles]) =>
  titles.map((title) =>
    title.startsWith("*") ? { department, title: title.slice(1), senior: true as const } : { department, title },
  ),
);
