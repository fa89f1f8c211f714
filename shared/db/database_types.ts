// Generated from the database by `npm run gen`; a test compares the two. Do not edit.

export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[];

export type Database = {
  api: {
    Tables: {
      [_ in never]: never;
    };
    Views: {
      companies: {
        Row: {
          created_at: string;
          created_by: NonNullable<Json>;
          custom_fields: NonNullable<Json>;
          domain: string | null;
          external_id: string | null;
          id: string;
          industry: string | null;
          name: string;
          owner_id: string | null;
          source: string;
          tags: string[];
          updated_at: string;
          updated_by: NonNullable<Json>;
          version: number;
          website: string | null;
          workspace_id: string;
        };
        ComputedFields: never;
        Insert: {
          created_at?: string | null;
          created_by?: Json | null;
          custom_fields?: Json | null;
          domain?: string | null;
          external_id?: string | null;
          id?: string | null;
          industry?: string | null;
          name?: string | null;
          owner_id?: string | null;
          source?: string | null;
          tags?: string[] | null;
          updated_at?: string | null;
          updated_by?: Json | null;
          version?: number | null;
          website?: string | null;
          workspace_id?: string | null;
        };
        Update: {
          created_at?: string | null;
          created_by?: Json | null;
          custom_fields?: Json | null;
          domain?: string | null;
          external_id?: string | null;
          id?: string | null;
          industry?: string | null;
          name?: string | null;
          owner_id?: string | null;
          source?: string | null;
          tags?: string[] | null;
          updated_at?: string | null;
          updated_by?: Json | null;
          version?: number | null;
          website?: string | null;
          workspace_id?: string | null;
        };
        Relationships: [];
      };
      contacts: {
        Row: {
          address: Json | null;
          birthday: string | null;
          company_id: string | null;
          created_at: string;
          created_by: NonNullable<Json>;
          custom_fields: NonNullable<Json>;
          department: string | null;
          do_not_contact: boolean;
          email: string;
          external_id: string | null;
          first_name: string | null;
          id: string;
          job_title: string | null;
          last_activity_at: string | null;
          last_name: string | null;
          lead_source: string | null;
          lifecycle_stage: string | null;
          linkedin_url: string | null;
          locale: string | null;
          owner_id: string | null;
          phone: string | null;
          phone_e164: string | null;
          score: number | null;
          source: string;
          status: string;
          tags: string[];
          timezone: string | null;
          updated_at: string;
          updated_by: NonNullable<Json>;
          version: number;
          website: string | null;
          workspace_id: string;
        };
        ComputedFields: never;
        Insert: {
          address?: Json | null;
          birthday?: string | null;
          company_id?: string | null;
          created_at?: string | null;
          created_by?: Json | null;
          custom_fields?: Json | null;
          department?: string | null;
          do_not_contact?: boolean | null;
          email?: string | null;
          external_id?: string | null;
          first_name?: string | null;
          id?: string | null;
          job_title?: string | null;
          last_activity_at?: string | null;
          last_name?: string | null;
          lead_source?: string | null;
          lifecycle_stage?: string | null;
          linkedin_url?: string | null;
          locale?: string | null;
          owner_id?: string | null;
          phone?: string | null;
          phone_e164?: string | null;
          score?: number | null;
          source?: string | null;
          status?: string | null;
          tags?: string[] | null;
          timezone?: string | null;
          updated_at?: string | null;
          updated_by?: Json | null;
          version?: number | null;
          website?: string | null;
          workspace_id?: string | null;
        };
        Update: {
          address?: Json | null;
          birthday?: string | null;
          company_id?: string | null;
          created_at?: string | null;
          created_by?: Json | null;
          custom_fields?: Json | null;
          department?: string | null;
          do_not_contact?: boolean | null;
          email?: string | null;
          external_id?: string | null;
          first_name?: string | null;
          id?: string | null;
          job_title?: string | null;
          last_activity_at?: string | null;
          last_name?: string | null;
          lead_source?: string | null;
          lifecycle_stage?: string | null;
          linkedin_url?: string | null;
          locale?: string | null;
          owner_id?: string | null;
          phone?: string | null;
          phone_e164?: string | null;
          score?: number | null;
          source?: string | null;
          status?: string | null;
          tags?: string[] | null;
          timezone?: string | null;
          updated_at?: string | null;
          updated_by?: Json | null;
          version?: number | null;
          website?: string | null;
          workspace_id?: string | null;
        };
        Relationships: [
          {
            foreignKeyName: "contacts_company_id_fkey";
            columns: ["workspace_id", "company_id"];
            isOneToOne: false;
            referencedRelation: "companies";
            referencedColumns: ["workspace_id", "id"];
          },
        ];
      };
    };
    Functions: {
      find_api_key: { Args: { key_hash: string }; Returns: Json };
      find_memberships: { Args: { user_id: string }; Returns: Json };
      read_records: { Args: Record<string, unknown>; Returns: Json };
      write_records: { Args: Record<string, unknown>; Returns: Json };
    };
    Enums: {
      [_ in never]: never;
    };
    CompositeTypes: {
      [_ in never]: never;
    };
  };
};

type DatabaseWithoutInternals = Omit<Database, "__InternalSupabase">;

type DefaultSchema = DatabaseWithoutInternals[Extract<keyof Database, "api">];

export type Tables<
  DefaultSchemaTableNameOrOptions extends
    | keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  }
    ? keyof (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"] &
        DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"])
    : never = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"] &
      DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"])[TableName] extends {
      Row: infer R;
    }
    ? R
    : never
  : DefaultSchemaTableNameOrOptions extends keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
    ? (DefaultSchema["Tables"] & DefaultSchema["Views"])[DefaultSchemaTableNameOrOptions] extends {
        Row: infer R;
      }
      ? R
      : never
    : never;

export type TablesInsert<
  DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"] | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
      Insert: infer I;
    }
    ? I
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
        Insert: infer I;
      }
      ? I
      : never
    : never;

export type TablesUpdate<
  DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"] | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
      Update: infer U;
    }
    ? U
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
        Update: infer U;
      }
      ? U
      : never
    : never;

export type Enums<
  DefaultSchemaEnumNameOrOptions extends keyof DefaultSchema["Enums"] | { schema: keyof DatabaseWithoutInternals },
  EnumName extends DefaultSchemaEnumNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"]
    : never = never,
> = DefaultSchemaEnumNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"][EnumName]
  : DefaultSchemaEnumNameOrOptions extends keyof DefaultSchema["Enums"]
    ? DefaultSchema["Enums"][DefaultSchemaEnumNameOrOptions]
    : never;

export type CompositeTypes<
  PublicCompositeTypeNameOrOptions extends
    | keyof DefaultSchema["CompositeTypes"]
    | { schema: keyof DatabaseWithoutInternals },
  CompositeTypeName extends PublicCompositeTypeNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  }
    ? keyof DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"]
    : never = never,
> = PublicCompositeTypeNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"][CompositeTypeName]
  : PublicCompositeTypeNameOrOptions extends keyof DefaultSchema["CompositeTypes"]
    ? DefaultSchema["CompositeTypes"][PublicCompositeTypeNameOrOptions]
    : never;

export const Constants = {
  api: {
    Enums: {},
  },
} as const;
