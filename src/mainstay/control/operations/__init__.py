"""Operations: what runs in the background for a tenant, seen and steered by its people."""
