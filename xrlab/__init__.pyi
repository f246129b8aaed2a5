from .crystal.diffraction import diffraction_image as diffraction_image
from .crystal.diffraction import expected_image as expected_image
from .crystal.encoding import Encoding as Encoding
from .crystal.form_factor import FormFactor as FormFactor
from .crystal.form_factor import Molecule as Molecule
from .crystal.grid import ReciprocalGrid as ReciprocalGrid
from .crystal.lattice import Lattice as Lattice
from .crystal.lattice import simulate as simulate
from .datasets.dataset import generate as generate
from .datasets.store import generate_to as generate_to
from .datasets.store import open_data_set as open_data_set
from .inference.delta_pdf import delta_pdf as delta_pdf
from .inference.likelihood import cramer_rao as cramer_rao
from .inference.likelihood import maximum_likelihood as maximum_likelihood
from .interpretation.interpret import interpret as interpret
from .interpretation.result import Interpretation as Interpretation
from .io.fetch import fetch as fetch
from .io.read import read_image as read_image
from .io.section import Section as Section
from .networks.backend import load_model as load_model
from .networks.cnn import large_cnn as large_cnn
from .networks.cnn import medium_cnn as medium_cnn
from .networks.cnn import small_cnn as small_cnn
from .networks.predict import predict as predict

__version__: str
