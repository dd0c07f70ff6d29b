"""What people have <-> tensors: one modality, one folder."""
