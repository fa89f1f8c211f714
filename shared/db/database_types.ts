export type Database = {
  api: {
    Tables: Record<never, never>;
    Views: Record<never, never>;
    Functions: {
      find_api_key: { Args: { key_hash: string }; Returns: unknown };
      find_memberships: { Args: { user_id: string }; Returns: unknown };
      read_records: { Args: Record<string, unknown>; Returns: unknown };
      write_records: { Args: Record<string, unknown>; Returns: unknown };
    };
    Enums: Record<never, never>;
    CompositeTypes: Record<never, never>;
  };
};
