"""What runs the numbered notebooks, opens them in JupyterLab, and stands behind their cells."""
